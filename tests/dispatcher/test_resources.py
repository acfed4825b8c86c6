"""A task's queue and definitions: its own where it may name them, else the stack's."""

import pytest

from dispatcher.resources import (
    ANY,
    RunResources,
    StackResources,
    resolve_resources,
    split_names,
)
from pipeline.task import Task, parse_task
from tests.builders import task_body

QUEUE_ARN = "arn:aws:batch:us-east-1:123456789012:job-queue/"
DEFINITION_ARN = "arn:aws:batch:us-east-1:123456789012:job-definition/"
STACK = StackResources("tiles", "tiles", "tiles-manifests")
OWN = RunResources("tiles", "tiles", "tiles-manifests")


def a_task(queue: str | None = None, definition: str | None = None) -> Task:
    return parse_task(task_body(jobQueue=queue, jobDefinition=definition))


def resolve(
    queue: str | None = None, definition: str | None = None, stack: StackResources = STACK
) -> RunResources:
    return resolve_resources(a_task(queue, definition), stack)


def allowing(queues: str = "", definitions: str = "") -> StackResources:
    return StackResources(
        "tiles", "tiles", "tiles-manifests", split_names(queues), split_names(definitions)
    )


def test_a_task_that_names_nothing_gets_the_stacks() -> None:
    assert resolve() == OWN


@pytest.mark.parametrize("queue", ["tiles", f"{QUEUE_ARN}tiles"])
@pytest.mark.parametrize("definition", ["tiles", f"{DEFINITION_ARN}tiles"])
def test_the_stacks_own_names_and_arns_get_the_stacks(queue: str, definition: str) -> None:
    assert resolve(queue, definition) == OWN


@pytest.mark.parametrize("own", ["tiles:7", f"{DEFINITION_ARN}tiles:7"])
def test_a_stack_may_know_its_definition_with_a_revision(own: str) -> None:
    stack = StackResources(f"{QUEUE_ARN}tiles", own, "tiles-manifests:7")
    expected = RunResources(f"{QUEUE_ARN}tiles", own, "tiles-manifests:7")
    assert resolve(stack=stack) == expected
    assert resolve("tiles", "tiles", stack) == expected


@pytest.mark.parametrize("definition", ["tiles:3", f"{DEFINITION_ARN}tiles:3"])
@pytest.mark.parametrize("own", ["tiles", "tiles:7"])
def test_a_revision_of_the_stacks_own_is_honoured_for_the_workers(
    definition: str, own: str
) -> None:
    stack = StackResources("tiles", own, "tiles-manifests")
    assert resolve(None, definition, stack) == RunResources("tiles", definition, "tiles-manifests")


def test_a_foreign_definition_that_is_allowed_serves_both_jobs() -> None:
    named = resolve("fast", "mine:2", allowing("fast", "mine, yours"))
    assert named == RunResources("fast", "mine:2", "")
    assert named.definitions == ("mine:2",)


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ("mine", "mine"),
        ("mine:2", "mine"),
        ("mine:2", "mine:2"),
        (f"{DEFINITION_ARN}mine:2", "mine"),
        (f"{DEFINITION_ARN}mine:2", "mine:2"),
        ("mine", f"{DEFINITION_ARN}mine"),
        ("mine:2", f"yours,{DEFINITION_ARN}mine"),
        (f"{DEFINITION_ARN}mine:2", f"{DEFINITION_ARN}mine"),
        ("whatever:1", ANY),
    ],
)
def test_what_is_listed_may_be_named_in_any_form(given: str, allowed: str) -> None:
    assert resolve(None, given, allowing("", allowed)).definition == given


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ("mine", ""),
        ("mine", "mine2, amine"),
        ("mine", "mine:2"),
        ("mine:3", "mine:2"),
        (f"{DEFINITION_ARN}mine", DEFINITION_ARN.replace("123456789012", "999999999999") + "mine"),
        ("a/b/c", "c"),
        ("tiles-manifests", ""),
    ],
)
def test_what_is_not_listed_is_a_mistake(given: str, allowed: str) -> None:
    named = resolve(None, given, allowing("", allowed))
    (error,) = named.errors
    assert error.startswith("jobDefinition: expected 'tiles'")
    assert named.definitions == ()


def test_a_mistake_says_what_is_allowed_and_how_to_allow_more() -> None:
    named = resolve("slow", "yours", allowing("fast", "mine"))
    assert named.errors == (
        "jobQueue: expected 'tiles' or 'fast', not 'slow': leave it out for the stack's own,"
        " or add it to the stack's parameter OtherJobQueues",
        "jobDefinition: expected 'tiles' or 'mine', not 'yours': leave it out for the stack's own,"
        " or add it to the stack's parameter OtherJobDefinitions",
    )


def test_a_task_must_name_what_the_dispatcher_does_not_know() -> None:
    assert resolve(stack=StackResources()).errors == (
        "jobQueue: missing, and the dispatcher knows none of its stack (TILEPOOL_JOB_QUEUE)",
        "jobDefinition: missing, and the dispatcher knows none of its stack"
        " (TILEPOOL_JOB_DEFINITION)",
    )


def test_where_nothing_is_known_of_the_stack_any_name_is_honoured() -> None:
    named = resolve("IIIFS3JobQueue", "IIIFS3JobDefinition", StackResources())
    assert named == RunResources("IIIFS3JobQueue", "IIIFS3JobDefinition")


def test_a_stack_without_a_definition_for_manifests_has_one_for_both() -> None:
    named = resolve(stack=StackResources("tiles", "tiles"))
    assert named.definitions == ("tiles",)


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_an_empty_list_names_nothing(text: str) -> None:
    assert split_names(text) == ()
