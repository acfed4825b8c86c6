"""The columns of the CSV that become something else than metadata. Pure."""

from collections.abc import Sequence

from pipeline.csv_file import column_name

COLUMN_NAMES: Sequence[str] = (
    "title",
    "description",
    "rights",
    "attribution",
    "required_statement",
    "provider",
    "provider_homepage",
    "provider_logo",
    "homepage",
    "date",
    "nav_date",
    "language",
    "viewing_direction",
    "behavior",
    "thumbnail_page",
    "page_labels",
    "ranges",
)
"""The columns that become something else than metadata, as the documentation writes them."""
COLUMNS = frozenset(map(column_name, COLUMN_NAMES))
SHOWN = frozenset(["date", "language"])
"""They say something to a reader as they stand, so they are metadata too."""
ALIASES = {"behaviour": "behavior", "tableofcontents": "ranges"}


def meaning_of(column: str) -> str:
    """Return the column that another name of it stands for; both in their compared form."""
    return ALIASES.get(column, column)
