"""The Batch queue and job definitions of a run: the task's, where it may name them, or the stack's.

Names, `name:revision` and ARNs may stand for one another. Pure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.checks import echo
from pipeline.environment import JOB_DEFINITION, JOB_QUEUE
from pipeline.task import Task

ANY = "*"
"""In a list of others: the task may name whatever it likes, as on the embedded cloud."""
# arn:aws:batch:<region>:<account>:job-definition/<name>:<revision>, and its two short forms
FORMS = re.compile(
    r"(?:(?P<owner>arn:[^/]*)/)?(?P<name>[^/:]+)(?::(?P<revision>\d+))?", re.ASCII | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class StackResources:
    """What a stack runs its jobs with, and what else its role may submit to.

    Empty where it is not known: then a task says it, and says it as it likes.
    """

    queue: str = ""
    definition: str = ""
    manifest_definition: str = ""
    other_queues: tuple[str, ...] = ()
    other_definitions: tuple[str, ...] = ()


UNKNOWN = StackResources()


@dataclass(frozen=True, slots=True)
class RunResources:
    """What a run's jobs are submitted with; `errors` tells what the task may not say.

    `manifest_definition` is empty where `definition` serves both jobs.
    """

    queue: str = ""
    definition: str = ""
    manifest_definition: str = ""
    errors: tuple[str, ...] = ()

    @property
    def definitions(self) -> tuple[str, ...]:
        """Return the definitions of both jobs, each once."""
        return tuple(filter(None, (self.definition, self.manifest_definition)))


def split_names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas between them."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def resolve_resources(task: Task, stack: StackResources) -> RunResources:
    """Return what a task's jobs run with.

    A definition that is not the stack's serves both jobs, for whoever brings an image of their own
    has it do all.
    """
    queue, definition = task.job_queue, task.job_definition
    errors = [
        *_mistakes(
            queue, stack.queue, stack.other_queues, ("jobQueue", JOB_QUEUE, "OtherJobQueues")
        ),
        *_mistakes(
            definition,
            stack.definition,
            stack.other_definitions,
            ("jobDefinition", JOB_DEFINITION, "OtherJobDefinitions"),
        ),
    ]
    if errors:
        return RunResources(errors=tuple(errors))
    if queue is None or _means(queue, stack.queue):
        queue = stack.queue
    if definition is None:
        return RunResources(queue, stack.definition, stack.manifest_definition)
    if not _means(definition, _without_revision(stack.definition)):
        return RunResources(queue, definition)
    # A revision is named to try one, or to go back to it.
    has_revision = definition != _without_revision(definition)
    used = definition if has_revision else stack.definition
    return RunResources(queue, used, stack.manifest_definition)


def _mistakes(
    given: str | None, own: str, others: tuple[str, ...], names: tuple[str, str, str]
) -> Iterable[str]:
    field, variable, parameter = names
    if given is None:
        if not own:
            yield f"{field}: missing, and the dispatcher knows none of its stack ({variable})"
    elif own and not (
        ANY in others or any(_means(given, name) for name in (_without_revision(own), *others))
    ):
        allowed = " or ".join(repr(name) for name in (own, *others))
        yield (
            f"{field}: expected {allowed}, not {echo(given)!r}: leave it out for the stack's own,"
            f" or add it to the stack's parameter {parameter}"
        )


def _means(given: str, known: str) -> bool:
    """Tell whether a text names what is known, which may leave open its revision or its owner."""
    # As permissions are written: any revision.
    one, other = FORMS.fullmatch(given), FORMS.fullmatch(known.removesuffix(":*"))
    if one is None or other is None:
        return given == known
    return (
        one["name"] == other["name"]
        and (one["owner"] is None or other["owner"] in {None, one["owner"]})
        and other["revision"] in {None, one["revision"]}
    )


def _without_revision(name: str) -> str:
    return re.sub(r":\d+\Z", "", name, flags=re.ASCII)
