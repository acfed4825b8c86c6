"""Parameters: given ones go first, values are kept as they are, all that is missing is named."""

import pytest

from console.aws.parameters import check_names, choose, parse_given, value_of
from console.errors import ConsoleError, ExitCode

DECLARED = {"DockerImage": None, "SourceBucketName": None, "JQName": "tilepool", "Subnets": ""}


def test_values_keep_spaces_commas_and_equals_signs() -> None:
    given = parse_given(["Subnets=subnet-1,subnet-2", "Note= a = b ", "Empty="], None)
    assert given == {"Subnets": "subnet-1,subnet-2", "Note": " a = b ", "Empty": ""}


def test_an_image_is_a_parameter() -> None:
    assert parse_given([], "registry/tilepool:1") == {"DockerImage": "registry/tilepool:1"}


@pytest.mark.parametrize(
    ("pairs", "image", "told"),
    [
        (["JQName"], None, "expected NAME=VALUE, got 'JQName'"),
        (["=x"], None, "expected NAME=VALUE, got '=x'"),
        (["JQName=a", "JQName=b"], None, "JQName is given twice"),
        (["DockerImage=a"], "b", "DockerImage is given by --image and --param"),
    ],
)
def test_a_slip_is_told(pairs: list[str], image: str | None, told: str) -> None:
    with pytest.raises(ConsoleError) as error:
        parse_given(pairs, image)
    assert str(error.value) == f"--param: {told}"
    assert error.value.exit_code is ExitCode.USAGE


def test_names_that_the_template_does_not_know_are_told_with_those_it_does() -> None:
    check_names(["JQName"], DECLARED)
    with pytest.raises(ConsoleError, match=r"no parameter Foo, Bar; it has DockerImage, Source"):
        check_names(["Foo", "JQName", "Bar"], DECLARED)


def test_a_new_stack_gets_what_is_given_and_the_templates_own_defaults() -> None:
    given = {"DockerImage": "x:1", "SourceBucketName": "scans"}
    assert choose(DECLARED, given, ()) == [
        {"ParameterKey": "DockerImage", "ParameterValue": "x:1"},
        {"ParameterKey": "SourceBucketName", "ParameterValue": "scans"},
    ]


def test_an_update_keeps_what_is_not_given() -> None:
    previous = {"DockerImage", "SourceBucketName", "JQName", "Gone"}
    assert choose(DECLARED, {"DockerImage": ""}, previous) == [
        {"ParameterKey": "DockerImage", "ParameterValue": ""},
        {"ParameterKey": "SourceBucketName", "UsePreviousValue": True},
        {"ParameterKey": "JQName", "UsePreviousValue": True},
    ]


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ConsoleError) as error:
        choose(DECLARED, {}, ())
    assert str(error.value) == "values are missing: --image URI --param SourceBucketName=…"
    assert error.value.exit_code is ExitCode.USAGE


def test_a_value_is_the_given_one_else_the_stacks_else_the_templates() -> None:
    assert value_of("JQName", DECLARED, {"JQName": "a"}, {"JQName": "b"}) == "a"
    assert value_of("JQName", DECLARED, {}, {"JQName": "b"}) == "b"
    assert value_of("JQName", DECLARED, {}, {}) == "tilepool"
    assert value_of("SourceBucketName", DECLARED, {}, {}) is None
