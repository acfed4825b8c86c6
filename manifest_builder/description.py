"""What a manifest says of its item, as values that Presentation 3 knows. Pure."""

from dataclasses import dataclass

from manifest_builder.sections import Section
from pipeline.defaults import Provider

NO_LANGUAGE = "none"

Metadata = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Description:
    """What a manifest says of its item.

    `rights` is a URI, or empty where some are stated that have none. `language` is that of all
    texts. Pages are positions in the item, from 1; `page_labels` has one for each page, empty for
    its number.
    """

    title: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()
    metadata: Metadata = ()
    language: str = NO_LANGUAGE
    rights: str | None = None
    required_statement: tuple[str, ...] = ()
    providers: tuple[Provider, ...] = ()
    homepages: tuple[str, ...] = ()
    nav_date: str | None = None
    viewing_direction: str | None = None
    behaviors: tuple[str, ...] = ()
    thumbnail_page: int = 1
    page_labels: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()


UNDESCRIBED = Description()
