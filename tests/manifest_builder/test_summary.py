"""What a run came to fits its row, whatever the items are called."""

import json

from manifest_builder.items import Items
from manifest_builder.summary import MAX_NAMED, summarize
from manifest_builder.table import Catalogue
from pipeline.rows import encode, summary_values
from pipeline.run import Page
from tests.builders import a_message, a_plan, done, failed

MAX_ROW_BYTES = 400_000
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
LONGEST = "\U0001f600" * 250
"""As long as a folder's name can be."""


def pages_of_long_names(kind: str) -> dict[str, list[Page]]:
    names = [f"{kind}{number}{LONGEST}" for number in range(MAX_NAMED + 1)]
    return {
        name: [done(a_message(item=name)), failed(a_message(item=name, page=2))] for name in names
    }


def test_a_summary_of_the_longest_names_fits_a_row_of_the_table() -> None:
    items = Items(
        pages_of_long_names("gaps"),
        tuple(pages_of_long_names("withheld")),
        tuple(pages_of_long_names("superseded")),
    )
    problems = [LONGEST * 9] * (MAX_NAMED + 1)
    summary = summarize(a_plan(), [], items, Catalogue({}), problems)
    assert len(summary.with_gaps) == len(summary.superseded) == MAX_NAMED + 1
    assert len(json.dumps(encode(summary_values(summary)), ensure_ascii=False).encode()) < (
        MAX_ROW_BYTES - 50_000
    )
