import pickle
from collections.abc import Iterator

import pytest

# Each of these modules adds its own leaves to the tree.
import pipeline.csv_file
import pipeline.environment
import pipeline.storage
from pipeline.environment import BadEnvironment
from pipeline.errors import (
    BadImage,
    BadMessage,
    BadTask,
    PermanentError,
    TilepoolError,
    TransientError,
)

assert pipeline.csv_file
assert pipeline.environment
assert pipeline.storage


def tree(kind: type[TilepoolError]) -> Iterator[type[TilepoolError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


PIPELINE_ERRORS = sorted(
    {kind for kind in tree(TilepoolError) if kind.__module__.startswith("pipeline.")},
    key=lambda kind: kind.__name__,
)


OF_MANY_LINES = {BadTask, BadEnvironment}


def copied(error: TilepoolError) -> TilepoolError:
    """Return the error as another process receives it."""
    copy: TilepoolError = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    return copy


@pytest.mark.parametrize("kind", [kind for kind in PIPELINE_ERRORS if kind not in OF_MANY_LINES])
def test_an_error_keeps_its_type_and_text_between_processes(kind: type[TilepoolError]) -> None:
    copy = copied(kind("p1.tif: damaged, größer als erlaubt"))
    assert type(copy) is kind
    assert str(copy) == "p1.tif: damaged, größer als erlaubt"


@pytest.mark.parametrize("errors", [[], ["one"], ["one", "two"], ["one", "two", "three"]])
def test_a_bad_task_keeps_all_its_mistakes_between_processes(errors: list[str]) -> None:
    copy = copied(BadTask(errors))
    assert isinstance(copy, BadTask)
    assert copy.errors == tuple(errors)
    assert str(copy) == "\n".join(errors)


def test_a_bad_environment_keeps_all_its_mistakes_between_processes() -> None:
    copy = copied(BadEnvironment(["A: missing", "B: missing"]))
    assert isinstance(copy, BadEnvironment)
    assert copy.mistakes == ("A: missing", "B: missing")
    assert str(copy).splitlines() == ["A: missing", "B: missing"]


def test_a_bad_task_tells_one_mistake_per_line() -> None:
    assert str(BadTask(["jobName: missing", "jobQueue: missing"])).splitlines() == [
        "jobName: missing",
        "jobQueue: missing",
    ]


def test_no_error_has_two_fates() -> None:
    for kind in PIPELINE_ERRORS:
        assert not (issubclass(kind, PermanentError) and issubclass(kind, TransientError))


@pytest.mark.parametrize("kind", [BadTask, BadMessage, BadImage, pipeline.storage.MissingObject])
def test_bad_input_is_permanent(kind: type[TilepoolError]) -> None:
    assert issubclass(kind, PermanentError)
