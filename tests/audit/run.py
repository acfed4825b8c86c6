"""Auditing what is installed for known vulnerabilities: python tests/audit/run.py.

pip-audit ends well where its database cannot be reached or knows none of the packages; that
nothing was audited is said here, in a line. Exit code 1 where a package has a known hole.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

SERVICES = ("pypi", "osv")
"""Databases, tried in turn until one knows anything."""
TIMEOUT_SECONDS = 15
OURS = "tilepool"
NOT_AUDITED = (
    "SKIPPED: no database of vulnerabilities can be reached from here; nothing was audited"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a database says: packages it knows, those it does not, and a line for each hole."""

    known: int
    unknown: tuple[str, ...]
    holes: tuple[str, ...]


def parse_report(report: str) -> Verdict | None:
    """Return what a report says; None where no package was audited."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, LookupError, TypeError):
        return None
    known = [package for package in packages if "skip_reason" not in package]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    holes = [
        f"{package['name']} {package['version']}: {hole['id']},"
        f" repaired in {', '.join(hole['fix_versions']) or 'no version yet'}"
        for package in known
        for hole in package["vulns"]
    ]
    others = tuple(name for name in unknown if name != OURS)
    return Verdict(len(known), others, tuple(holes)) if known else None


def ask(service: str) -> str:
    """Return pip-audit's report by one database; empty where there is none."""
    command = ["--vulnerability-service", service, "--timeout", str(TIMEOUT_SECONDS)]
    return subprocess.run(
        [sys.executable, "-m", "pip_audit", *command, "--progress-spinner=off", "--format=json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    ).stdout


def tell(verdict: Verdict | None) -> tuple[str, int]:
    """Return what to say of a verdict, and the exit code."""
    if verdict is None:
        return NOT_AUDITED, 0
    lines = [f"{verdict.known} packages audited, {len(verdict.holes)} known vulnerabilities"]
    if verdict.unknown:
        lines.append(
            f"not audited, for the database does not know them: {', '.join(verdict.unknown)}"
        )
    return "\n".join([*lines, *verdict.holes]), int(bool(verdict.holes))


def main() -> None:
    """Ask one database after another; say what the first that answers knows."""
    if find_spec("pip_audit") is None:
        sys.exit("pip-audit is not installed: use tox -e audit")
    verdicts = (parse_report(ask(service)) for service in SERVICES)
    text, code = tell(next(filter(None, verdicts), None))
    print(text)
    sys.exit(code)


if __name__ == "__main__":
    main()
