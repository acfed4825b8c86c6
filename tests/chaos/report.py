"""What chaos came to, seed by seed, as Markdown."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.calls import Point
from tests.chaos.processes import Role
from tests.chaos.story import Told
from tests.chaos.strikes import Moment, Strike, Weapon

Blow = tuple[Strike, Role]


@dataclass(frozen=True, slots=True)
class SeedReport:
    """One story; `blows` are the strikes that were carried out."""

    seed: int
    images: int
    blows: Counter[Blow]
    poisoned: int
    redelivered: int
    known: int
    told: Told
    undisturbed: Told | None

    @property
    def kills(self) -> int:
        """Return how many processes or jobs were ended."""
        return self.count(lambda strike, _: strike.weapon.is_kill)

    def count(self, is_meant: Callable[[Strike, Role], bool]) -> int:
        """Return how many strikes were of a sort."""
        return sum(times for (strike, role), times in self.blows.items() if is_meant(strike, role))


def report_of(arena: Arena, seed: int, told: Told, undisturbed: Told | None) -> SeedReport:
    """Return what a story came to."""
    account = arena.chaos.account
    return SeedReport(
        seed=seed,
        images=arena.archive.images,
        blows=account.strikes,
        poisoned=account.poisoned.total(),
        redelivered=arena.chaos.hands.redelivered,
        known=sum(map(_is_known, _events(arena.cloud.logs))),
        told=told,
        undisturbed=undisturbed,
    )


def render(reports: Sequence[SeedReport]) -> str:
    """Return all stories as tables."""
    facts: list[tuple[str, Callable[[SeedReport], object]]] = [
        ("images", lambda r: r.images),
        ("**kills**", lambda r: f"**{r.kills}**"),
        *((f"… {weapon}", _counting(weapon)) for weapon in Weapon if weapon.is_kill),
        ("tiling processes ended by an image", lambda r: r.poisoned),
        *((f"requests {weapon}", _counting(weapon)) for weapon in Weapon if not weapon.is_kill),
        ("deliveries beyond a message's first", lambda r: r.redelivered),
        ("outcomes that were known already", lambda r: r.known),
        ("final jobs (one per completion)", lambda r: r.told.completions),
        ("seconds to the first end", lambda r: round(r.told.seconds)),
        ("… undisturbed", lambda r: round(r.undisturbed.seconds) if r.undisturbed else "–"),
    ]
    lines = [
        *_table("seed", reports, facts),
        "",
        *_table("killed before / after", reports, [(point, _at(point)) for point in Point]),
        "",
        f"{sum(report.kills for report in reports)} kills in all.",
    ]
    return "\n".join(lines)


def _table(
    title: str,
    reports: Sequence[SeedReport],
    rows: Iterable[tuple[str, Callable[[SeedReport], object]]],
) -> Iterator[str]:
    yield f"| {title} | {' | '.join(str(report.seed) for report in reports)} |"
    yield f"|---|{'---:|' * len(reports)}"
    for name, value in rows:
        yield f"| {name} | {' | '.join(str(value(report)) for report in reports)} |"


def _counting(weapon: Weapon) -> Callable[[SeedReport], object]:
    return lambda report: report.count(lambda strike, _: strike.weapon is weapon)


def _at(point: Point) -> Callable[[SeedReport], object]:
    def cell(report: SeedReport) -> str:
        before, after = (
            report.count(
                lambda strike, _, moment=moment: (  # type: ignore[misc]
                    strike.weapon.is_kill and strike.point is point and strike.moment is moment
                )
            )
            for moment in Moment
        )
        return f"{before} / {after}"

    return cell


def _events(logs: Path) -> Iterator[dict[str, object]]:
    """Yield what all processes have logged; a killed one may leave half a line."""
    for file in logs.glob("*.log"):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue


def _is_known(event: dict[str, object]) -> bool:
    return event.get("event") == "page_known" or event.get("first") is False
