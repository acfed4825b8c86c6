"""A look at the dead-letter queue: everything is told, bounded, and nothing lost by looking."""

import io
import json

import pytest
from rich.console import Console

from console.dlq import NOT_OURS, OTHER_REASONS, UNKNOWN_RUN, Survey, look_at_letters
from console.dlq_report import show_survey, survey_as_json
from pipeline.dead_letters import letter_attributes
from tests.builders import a_message
from tests.site import Site

DAY = 86_400


def look(site: Site, most: int = 1_000) -> Survey:
    return look_at_letters(site.dead_letters, site.ledger, most)


def shown(survey: Survey) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_survey(console, survey, 14 * DAY)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def groups(survey: Survey) -> dict[tuple[str | None, str], int]:
    return {(group.run, group.reason): group.letters for group in survey.groups}


def test_letters_are_grouped_by_run_and_reason(site: Site) -> None:
    one = site.ended({"a": ["damaged", "damaged", "missing"]})
    two = site.ended({"b": ["damaged", ""]})
    survey = look(site)
    assert groups(survey) == {
        (one.run_id, "damaged"): 2,
        (one.run_id, "missing"): 1,
        (two.run_id, "damaged"): 1,
    }
    assert survey.runs == {one.run_id: 3, two.run_id: 1}
    assert (survey.depth, survey.looked_at, survey.is_partial) == (4, 4, False)
    text = shown(survey)
    assert text.startswith("4 dead letters\n")
    assert f"{one.run_id} (done with failures)\n" in text
    assert "for example a, page 3 (archive/Letters/a/Access/p3.tif)" in text


def test_what_no_run_knows_is_told(site: Site) -> None:
    stranger = a_message("run-of-yesterday")
    site.dead_letters.bury("Dear \x9breader", {}, "none")
    site.dead_letters.bury(stranger.to_json(), letter_attributes(stranger, "x", 1), "none")
    survey = look(site)
    assert groups(survey) == {(None, NOT_OURS): 1, ("run-of-yesterday", UNKNOWN_RUN): 1}
    assert survey.runs == {}
    assert survey.unknown == 2
    assert "2 letters that no run knows" in shown(survey)
    assert "for example Dear \ufffdreader" in shown(survey)


def test_a_letter_that_the_queue_has_buried_has_no_reason(site: Site) -> None:
    run = site.tiling({"a": [None]})
    (row,) = site.ledger.pages(run.run_id)
    site.dead_letters.bury(row.message.to_json(), {}, run.run_id)
    assert "no reason given: the queue gave it up" in shown(look(site))


def test_looking_leaves_all_where_it_was(site: Site) -> None:
    site.ended({"a": ["damaged"] * 12})
    before = sorted(letter.letter_id for letter in site.letters())
    for _ in range(2):
        assert look(site).looked_at == 12
    assert sorted(letter.letter_id for letter in site.letters()) == before


def test_a_look_is_bounded_and_says_so(site: Site) -> None:
    site.ended({"a": ["damaged"] * 7})
    survey = look(site, most=3)
    assert survey.looked_at == 3
    assert survey.is_partial
    assert "looked at 3 of about 7 dead letters" in shown(survey)


def test_reasons_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.dlq.MAX_REASONS", 3)
    run = site.ended({"a": [f"reason {number}" for number in range(8)]})
    survey = look(site)
    assert len(survey.groups) == 4
    assert groups(survey)[run.run_id, OTHER_REASONS] == 5
    monkeypatch.setattr("console.dlq_report.MAX_SHOWN_REASONS", 2)
    assert "… and 2 more reasons" in shown(survey)


def test_an_empty_queue_is_said_to_be(site: Site) -> None:
    assert shown(look(site)) == "0 dead letters\n"


def test_json_tells_when_the_oldest_goes(site: Site) -> None:
    run = site.ended({"a": ["dämaged"]})
    text = survey_as_json(look(site), 14 * DAY)
    assert text.isascii()
    told = json.loads(text)
    (group,) = told["groups"]
    assert (told["letters"], told["looked_at"]) == (1, 1)
    assert (group["run"], group["state"], group["reason"], group["letters"]) == (
        run.run_id,
        "done_with_failures",
        "dämaged",
        1,
    )
    assert group["expires"] > group["oldest"]
