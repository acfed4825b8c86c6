"""Which items of a run are published: all their pages are done, or gaps are allowed. Pure."""

import itertools
from collections.abc import Container, Sequence
from dataclasses import dataclass

from pipeline.run import Page, PageState


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a run by what becomes of them; of `published`, the pages in order.

    `withheld` have failed pages. `superseded` have been taken over by a later run, whose
    business they are.
    """

    published: dict[str, list[Page]]
    withheld: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()

    @property
    def with_gaps(self) -> list[str]:
        """Return the items that are published though pages of theirs have failed."""
        return [item for item, pages in self.published.items() if not all(map(is_done, pages))]


def is_done(page: Page) -> bool:
    """Tell whether a page has an image."""
    return page.state is PageState.DONE


def sort_items(pages: Sequence[Page], superseded: Container[str], *, with_gaps: bool) -> Items:
    """Return what becomes of a run's items; `pages` are all of its pages, sorted by place.

    With `with_gaps`, an item needs but one page that is done.
    """
    enough = any if with_gaps else all
    groups = {
        item: list(group)
        for item, group in itertools.groupby(pages, key=lambda page: page.message.item)
    }
    own = {item: members for item, members in groups.items() if item not in superseded}
    published = {item: members for item, members in own.items() if enough(map(is_done, members))}
    return Items(
        published=published,
        withheld=tuple(item for item in own if item not in published),
        superseded=tuple(item for item in groups if item in superseded),
    )
