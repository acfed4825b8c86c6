"""What a run says of every item whose row in the CSV does not: rights, provider, statement. Pure.

They stand among the task's `options`, but are no part of `Options`: tiles do not depend on them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.address import page_url
from pipeline.checks import echo, kind_of, text_mistake, unknown_names
from pipeline.rights import rights_uri

RIGHTS = "rights"
PROVIDER = "provider"
REQUIRED_STATEMENT = "requiredStatement"
LOGO = "logo"
DEFAULTS = (RIGHTS, PROVIDER, REQUIRED_STATEMENT, LOGO)

MAX_STATEMENT_BYTES = 4_096
STATEMENT_LABEL = "Attribution"

EXPECTED_RIGHTS = (
    "expected a licence of creativecommons.org or a statement of rightsstatements.org,"
    " such as https://rightsstatements.org/vocab/InC/1.0/"
)
EXPECTED_ADDRESS = "expected an address that starts with http:// or https://"


@dataclass(frozen=True, slots=True)
class Provider:
    """An institution: `name`, and addresses of its page, its logo and its identifier."""

    name: str
    homepage: str | None = None
    logo: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class RequiredStatement:
    """What viewers must show."""

    value: str
    label: str = STATEMENT_LABEL


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for each item that does not say otherwise; `rights` is a URI."""

    rights: str | None = None
    provider: Provider | None = None
    required_statement: RequiredStatement | None = None


NO_DEFAULTS = Defaults()


def read_defaults(options: Mapping[str, Any], errors: list[str]) -> Defaults:
    """Read the defaults among a task's options; add a line to `errors` for each mistake."""
    return _Reader(errors).read(options)


def parse_defaults(values: Mapping[str, Any]) -> Defaults:
    """Return defaults that were stored in the ledger."""
    provider, statement = values["provider"], values["required_statement"]
    return Defaults(
        values["rights"],
        provider and Provider(**provider),
        statement and RequiredStatement(**statement),
    )


class _Reader:
    def __init__(self, errors: list[str]) -> None:
        self._errors = errors

    def read(self, options: Mapping[str, Any]) -> Defaults:
        return Defaults(
            rights=self._meant(options, RIGHTS, rights_uri, EXPECTED_RIGHTS),
            provider=self._provider(options),
            required_statement=self._statement(options),
        )

    def _provider(self, options: Mapping[str, Any]) -> Provider | None:
        given = self._object(options, PROVIDER, "name", ("homepage", LOGO, "id"))
        logo = self._address(options, LOGO, LOGO)
        if LOGO in options and PROVIDER not in options:
            self._tell(LOGO, f"expected beside {PROVIDER!r}: viewers show it as the provider's")
        if LOGO in options and LOGO in given:
            self._tell(LOGO, f"expected once, given in {PROVIDER!r} too")
        name = self._text(given, "name", f"{PROVIDER}: name")
        addresses = {
            part: self._address(given, part, f"{PROVIDER}: {part}")
            for part in ("homepage", LOGO, "id")
        }
        if name is None:
            return None
        return Provider(name, **{**addresses, LOGO: addresses[LOGO] or logo})

    def _statement(self, options: Mapping[str, Any]) -> RequiredStatement | None:
        given = self._object(options, REQUIRED_STATEMENT, "value", ("label",))
        where = f"{REQUIRED_STATEMENT}: value"
        value = self._text(given, "value", where, MAX_STATEMENT_BYTES)
        label = self._text(given, "label", f"{REQUIRED_STATEMENT}: label")
        return RequiredStatement(value, label or STATEMENT_LABEL) if value else None

    def _object(
        self, options: Mapping[str, Any], name: str, main: str, others: tuple[str, ...]
    ) -> Mapping[str, Any]:
        """Return an object's values; a text stands for an object with nothing but `main`."""
        given = options.get(name)
        if isinstance(given, str):
            return {main: given}
        if isinstance(given, dict):
            known = (main, *others)
            self._errors += unknown_names(given, known, f"options: {name}: ")
            if main not in given:
                self._tell(f"{name}: {main}", "missing")
            return {key: value for key, value in given.items() if key in known}
        if name in options:
            self._tell(name, f"expected text or an object, {{…}}, not {kind_of(given)}")
        return {}

    def _address(self, given: Mapping[str, Any], name: str, where: str) -> str | None:
        return self._meant(given, name, page_url, EXPECTED_ADDRESS, where)

    def _meant(
        self,
        given: Mapping[str, Any],
        name: str,
        understand: Callable[[str], str | None],
        expected: str,
        where: str = "",
    ) -> str | None:
        text = self._text(given, name, where or name)
        meant = text and understand(text)
        if text and meant is None:
            self._tell(where or name, f"{expected}, not {echo(text)!r}")
        return meant

    def _text(
        self, given: Mapping[str, Any], name: str, where: str, max_bytes: int | None = None
    ) -> str | None:
        if name not in given:
            return None
        value = given[name]
        mistake = text_mistake(value, max_bytes) if max_bytes else text_mistake(value)
        if mistake:
            self._tell(where, mistake)
            return None
        return str(value).strip()

    def _tell(self, where: str, mistake: str) -> None:
        self._errors.append(f"options: {where}: {mistake}")
