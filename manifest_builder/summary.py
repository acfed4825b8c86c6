"""What a run came to, with its lists of names cut so that the run's row can hold them. Pure."""

from collections.abc import Sequence

from manifest_builder.items import Items
from manifest_builder.table import Catalogue
from pipeline.run import Page, PageState, Plan, Summary

MAX_NAMED = 100
"""Names of one kind that a summary lists: the run's row has 400 KB at most."""
MAX_NAME_CHARACTERS = 100
MAX_PROBLEM_CHARACTERS = 400


def summarize(
    plan: Plan, pages: Sequence[Page], items: Items, catalogue: Catalogue, problems: Sequence[str]
) -> Summary:
    """Return what a run came to; `pages` are all of its pages."""
    tiled = [page.tiled for page in pages if page.tiled is not None]
    return Summary(
        collection_url=plan.layout.url(plan.layout.collection),
        images=len(pages),
        failed=sum(page.state is PageState.FAILED for page in pages),
        reused=sum(page.reused for page in tiled),
        tiles=sum(page.tiles for page in tiled),
        items=len(items.published),
        withheld=_cut(items.withheld),
        withheld_items=len(items.withheld),
        with_gaps=_cut(items.with_gaps),
        superseded=_cut(items.superseded),
        without_row=_cut([item for item in items.published if item not in catalogue.rows]),
        problems=_cut(problems, MAX_PROBLEM_CHARACTERS),
    )


def _cut(names: Sequence[str], most: int = MAX_NAME_CHARACTERS) -> tuple[str, ...]:
    shown = [name if len(name) <= most else f"{name[:most]}…" for name in names[:MAX_NAMED]]
    if len(names) > MAX_NAMED:
        shown.append(f"… and {len(names) - MAX_NAMED} more")
    return tuple(shown)
