import unicodedata
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.layout import Layout, join_key, nfc

LETTERS = Layout("iiif/archive/Letters", "https://images.example.org")

names = st.text(min_size=1).filter(lambda name: "/" not in name)


def test_outputs_lie_where_published_links_expect_them() -> None:
    assert LETTERS.service("book", 3) == "iiif/archive/Letters/tiles/book-3"
    assert LETTERS.info("book", 3) == "iiif/archive/Letters/tiles/book-3/info.json"
    assert LETTERS.manifest("book") == "iiif/archive/Letters/book/manifest.json"
    assert LETTERS.collection == "iiif/archive/Letters/collection.json"
    assert LETTERS.csv("letters.csv") == "iiif/archive/Letters/letters.csv"


def test_a_pages_receipt_lies_beside_its_info_json() -> None:
    folder, _, name = LETTERS.receipt("book", 3).rpartition("/")
    assert folder == LETTERS.service("book", 3)
    assert name != "info.json"


def test_a_url_is_the_base_and_the_percent_encoded_key() -> None:
    key = "iiif/a b+c%d#e?f/é.json"
    expected = "https://images.example.org/iiif/a%20b%2Bc%25d%23e%3Ff/%C3%A9.json"
    assert LETTERS.url(key) == expected


def test_a_url_is_in_nfc_whatever_the_form_of_the_key() -> None:
    assert LETTERS.url(unicodedata.normalize("NFD", "é")) == LETTERS.url("é")


def test_a_base_url_may_have_a_path() -> None:
    assert Layout("p", "https://example.org/iiif").url("p/x") == "https://example.org/iiif/p/x"


def test_a_canvas_url_names_the_item_and_the_page() -> None:
    url = LETTERS.canvas_url("my book", 2)
    assert url == "https://images.example.org/iiif/archive/Letters/my%20book/canvas/2"


@given(names)
def test_a_url_leads_back_to_its_key(name: str) -> None:
    key = nfc(f"iiif/{name}")
    url = LETTERS.url(key)
    parts = urlsplit(url)
    assert url.isascii()
    assert not parts.query
    assert not parts.fragment
    assert unquote(parts.path) == f"/{key}"


@given(names)
def test_a_url_is_encoded_once(name: str) -> None:
    path = LETTERS.url(name).removeprefix("https://images.example.org/")
    assert path == quote(unquote(path), safe="/")


# Names that end as numbers of pages do, beside any others.
tricky = st.builds(str.__add__, names, st.from_regex(r"\A(-?[0-9]{1,3}\.?){0,3}\Z"))
places = st.tuples(names | tricky, st.integers(1, 9999), st.integers(1, 99_999))


@given(places, places)
@example(("a", 1, 2), ("a-1.2", 1, 1))
@example(("a", 1, 12), ("a", 11, 2))
def test_no_two_pages_share_an_image_service(
    one: tuple[str, int, int], other: tuple[str, int, int]
) -> None:
    assert (LETTERS.service(*one) == LETTERS.service(*other)) == (one == other)
    assert (LETTERS.receipt(*one) == LETTERS.receipt(*other)) == (one == other)
    assert (LETTERS.info(*one) == LETTERS.info(*other)) == (one == other)


@given(names | tricky, *[st.integers(1, 99_999)] * 4)
def test_no_two_pages_of_an_item_share_a_canvas(
    item: str, page: int, part: int, other_page: int, other_part: int
) -> None:
    same = (page, part) == (other_page, other_part)
    urls = LETTERS.canvas_url(item, page, part), LETTERS.canvas_url(item, other_page, other_part)
    assert (urls[0] == urls[1]) == same


def test_only_further_images_of_a_file_name_their_part() -> None:
    assert LETTERS.service("book", 3, 1) == "iiif/archive/Letters/tiles/book-3"
    assert LETTERS.service("book", 3, 12) == "iiif/archive/Letters/tiles/book-3.12"
    assert LETTERS.info("book", 3, 12) == "iiif/archive/Letters/tiles/book-3.12/info.json"
    assert LETTERS.canvas_url("book", 3, 1).endswith("/book/canvas/3")
    assert LETTERS.canvas_url("book", 3, 12).endswith("/book/canvas/3.12")


def test_pages_of_an_item_whose_name_ends_like_a_page_number_stay_apart() -> None:
    services = {LETTERS.service(item, page) for item in ("a", "a-1") for page in (1, 2, 12)}
    assert len(services) == 6


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (["a", "b"], "a/b"),
        (["a/", "/b"], "a/b"),
        (["", "b"], "b"),
        (["a", ""], "a"),
        (["a", "/", "b"], "a/b"),
        (["a/b", "c"], "a/b/c"),
    ],
)
def test_joined_keys_have_one_slash_between_parts(parts: list[str], key: str) -> None:
    assert join_key(*parts) == key


@given(st.lists(names.filter(lambda name: name.strip("/"))))
def test_joining_in_steps_is_joining_at_once(parts: list[str]) -> None:
    joined = ""
    for part in parts:
        joined = join_key(joined, part)
    assert joined == join_key(*parts) == "/".join(parts)


@given(names, st.integers(1, 10**6))
@example("collections", 1)
@example("collection.json", 1)
def test_no_item_has_a_file_where_a_part_of_the_collection_lies(item: str, number: int) -> None:
    key = LETTERS.subcollection(number)
    assert key != LETTERS.manifest(item)
    assert key != LETTERS.collection
    assert LETTERS.is_subcollection(key)
    assert not LETTERS.is_subcollection(LETTERS.manifest(item))


@pytest.mark.parametrize(
    "key", ["collections/0.json", "collections/1.txt", "collections/a/1.json", "1.json"]
)
def test_other_files_are_no_parts_of_the_collection(key: str) -> None:
    assert not LETTERS.is_subcollection(f"{LETTERS.prefix}/{key}")


@given(names, names)
def test_providers_without_an_address_have_ids_of_their_own(one: str, other: str) -> None:
    same = nfc(one) == nfc(other)
    assert (LETTERS.provider_url(one) == LETTERS.provider_url(other)) == same


def test_the_table_of_contents_is_no_canvas() -> None:
    urls = [
        LETTERS.contents_url("book"),
        LETTERS.section_url("book", 1),
        LETTERS.section_url("book", 2),
    ]
    assert len({*urls, LETTERS.canvas_url("book", 1), LETTERS.canvas_url("book", 2)}) == 5
