"""Pages without an image, in an item that is published all the same. Pure.

https://iiif.io/api/cookbook/recipe/0283-missing-image/
"""

from bisect import bisect_left
from collections.abc import Sequence

from manifest_builder.document import LanguageMap, label
from manifest_builder.items import is_done
from manifest_builder.problems import echo
from pipeline.run import Page

IMAGE_MISSING = {
    "de": "Bild fehlt",
    "en": "image missing",
    "es": "falta la imagen",
    "fr": "image manquante",
    "it": "immagine mancante",
    "nl": "afbeelding ontbreekt",
    "pt": "imagem em falta",
}


def gap_label(text: str, number: str, language: str) -> LanguageMap:
    """Return the label of a page without an image: its own, and that the image is missing.

    That is said in the language of the item's texts, or else in English. `number` stands where
    the text is empty or nothing but HTML.
    """
    own = label([text], language).get(language)
    said = IMAGE_MISSING.get(language.partition("-")[0])
    if own is None and said is None:
        language = "en"
    (shown,) = own or [number]
    return {language: [f"{shown} ({said or IMAGE_MISSING['en']})"]}


def nearest(places: Sequence[int], place: int) -> int:
    """Return that of some ascending places which is nearest to one; of two, the first."""
    after = bisect_left(places, place)
    around = places[max(0, after - 1) : after + 1]
    return min(around, key=lambda other: abs(other - place))


def hidden(pages: Sequence[Page]) -> Page | None:
    """Return the first page whose file may have more pages than this one.

    That is a failed file of which no image is known, if it is a PDF, or others of the item have
    several images.
    """
    several = any(page.message.part > 1 for page in pages)
    for page in pages:
        is_first = page.message.part == 1 and page.parts == 1
        if not is_done(page) and is_first and (several or is_pdf(page)):
            return page
    return None


def tell_hidden(page: Page) -> str:
    """Return the words for a file that may hide pages."""
    message = page.message
    name = message.key.rpartition("/")[2]
    return (
        f"{echo(message.item)}: how many pages {echo(name)} has is not known;"
        " those after it cannot be told by number"
    )


def is_pdf(page: Page) -> bool:
    """Tell whether a page comes from a PDF, by its file's name."""
    return page.message.key.casefold().endswith(".pdf")
