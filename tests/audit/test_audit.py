"""An audit that saw nothing says so; one that saw a hole fails."""

import json
from typing import Any

import pytest

from tests.audit.run import NOT_AUDITED, parse_report, tell

GOOD = {"name": "click", "version": "8.1", "vulns": []}
BAD = {
    "name": "pillow",
    "version": "1.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["1.1", "2.0"]}, {"id": "CVE-2", "fix_versions": []}],
}
UNKNOWN = {"name": "inhouse", "skip_reason": "not found"}
OURS = {"name": "tilepool", "skip_reason": "not found"}


def told(*packages: dict[str, Any]) -> tuple[str, int]:
    return tell(parse_report(json.dumps({"dependencies": packages, "fixes": []})))


@pytest.mark.parametrize("report", ["", "Traceback", "null", "[]", "{}", '{"dependencies": []}'])
def test_without_a_database_the_audit_is_skipped_with_a_word(report: str) -> None:
    assert tell(parse_report(report)) == (NOT_AUDITED, 0)


def test_a_database_that_knows_no_package_is_none() -> None:
    assert told(UNKNOWN, OURS) == (NOT_AUDITED, 0)


def test_a_good_audit_says_how_much_it_has_seen() -> None:
    assert told(GOOD, OURS) == ("1 packages audited, 0 known vulnerabilities", 0)


def test_a_hole_fails_the_audit_and_is_named_with_its_repair() -> None:
    text, code = told(GOOD, BAD)
    assert code == 1
    assert "pillow 1.0: CVE-1, repaired in 1.1, 2.0" in text
    assert "pillow 1.0: CVE-2, repaired in no version yet" in text


def test_what_the_database_does_not_know_is_named() -> None:
    text, code = told(GOOD, UNKNOWN, OURS)
    assert (code, text.splitlines()[1:]) == (
        0,
        ["not audited, for the database does not know them: inhouse"],
    )
