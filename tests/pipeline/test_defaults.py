from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.defaults import (
    DEFAULTS,
    NO_DEFAULTS,
    Defaults,
    Provider,
    RequiredStatement,
    read_defaults,
)
from pipeline.errors import BadTask
from pipeline.task import Options, Task, parse_task
from tests.builders import task_body

INC = "http://rightsstatements.org/vocab/InC/1.0/"


def parsed(**options: Any) -> Task:
    return parse_task(task_body(options=options))


def errors_of(**options: Any) -> tuple[str, ...]:
    with pytest.raises(BadTask) as caught:
        parsed(**options)
    return caught.value.errors


def test_a_task_without_them_has_none() -> None:
    assert parsed().defaults == NO_DEFAULTS == Defaults()


def test_all_of_them_are_read() -> None:
    task = parsed(
        rights="https://rightsstatements.org/page/InC/1.0/",
        provider={
            "name": " Example University Library ",
            "homepage": "https://library.example.org",
            "logo": "https://library.example.org/logo.png",
            "id": "https://example.org/orgs/7",
        },
        requiredStatement={"label": "Credit", "value": "Courtesy of the library"},
    )
    assert task.defaults == Defaults(
        INC,
        Provider(
            "Example University Library",
            "https://library.example.org/",
            "https://library.example.org/logo.png",
            "https://example.org/orgs/7",
        ),
        RequiredStatement("Courtesy of the library", "Credit"),
    )


def test_a_text_is_enough_for_provider_and_statement() -> None:
    defaults = parsed(provider="The Library", requiredStatement="Courtesy of it").defaults
    assert defaults.provider == Provider("The Library")
    assert defaults.required_statement == RequiredStatement("Courtesy of it", "Attribution")


def test_the_logo_is_the_providers() -> None:
    defaults = parsed(provider="The Library", logo="https://example.org/l.svg").defaults
    assert defaults.provider == Provider("The Library", logo="https://example.org/l.svg")


def test_they_do_not_make_tiles_different() -> None:
    assert parsed(rights="CC0", provider="The Library").options == parsed().options == Options()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rights": "mine"}, "options: rights: expected a licence of creativecommons.org or"),
        ({"rights": 1}, "options: rights: expected text, not a number"),
        ({"rights": ""}, "options: rights: expected text, but it is empty"),
        ({"rights": None}, "options: rights: expected text, not null"),
        ({"provider": ["x"]}, "options: provider: expected text or an object, {…}, not a list"),
        ({"provider": {}}, "options: provider: name: missing"),
        ({"provider": {"name": 1}}, "options: provider: name: expected text, not a number"),
        ({"provider": {"name": "x", "hompage": "y"}}, "options: provider: hompage: did you mean"),
        (
            {"provider": {"name": "x", "homepage": "example.org"}},
            "options: provider: homepage: expected an address that starts with http:// or https://,"
            " not 'example.org'",
        ),
        (
            {"provider": {"name": "x", "logo": "javascript:x"}},
            "options: provider: logo: expected an address",
        ),
        ({"provider": {"name": "x", "id": "urn:x"}}, "options: provider: id: expected an address"),
        ({"logo": "https://example.org/l.png"}, "options: logo: expected beside 'provider'"),
        ({"provider": "x", "logo": 1}, "options: logo: expected text, not a number"),
        (
            {
                "provider": {"name": "x", "logo": "https://example.org/a"},
                "logo": "https://example.org/b",
            },
            "options: logo: expected once, given in 'provider' too",
        ),
        ({"requiredStatement": 1}, "options: requiredStatement: expected text or an object"),
        ({"requiredStatement": {"label": "x"}}, "options: requiredStatement: value: missing"),
        (
            {"requiredStatement": {"value": "x", "label": ""}},
            "options: requiredStatement: label: expected text, but it is empty",
        ),
        (
            {"requiredStatement": "x" * 5_000},
            "options: requiredStatement: value: expected at most 4,096 bytes",
        ),
        ({"requiredstatement": "x"}, "options: requiredstatement: did you mean requiredStatement?"),
    ],
)
def test_each_mistake_is_one_line(options: dict[str, Any], expected: str) -> None:
    (error,) = errors_of(**options)
    assert error.startswith(expected)


def test_mistakes_are_told_together_with_those_of_the_other_options() -> None:
    errors = errors_of(rights="mine", provider={"homepage": "x"}, tileSize=1)
    assert [error.split(": ")[1] for error in errors] == [
        "tileSize",
        "rights",
        "provider",
        "provider",
    ]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["name", "homepage", "logo", "id", "label", "value", "x"]), inner
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(DEFAULTS), anything))
def test_any_values_are_defaults_or_named_mistakes(options: dict[str, Any]) -> None:
    errors: list[str] = []
    defaults = read_defaults(options, errors)
    assert all(line.startswith("options: ") for line in errors)
    assert defaults.provider is None or defaults.provider.name
    assert defaults.required_statement is None or defaults.required_statement.value
    assert errors or (defaults == NO_DEFAULTS) == (not options)
