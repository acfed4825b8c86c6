import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from natsort import natsorted, ns

from dispatcher.expand import expand, is_image, item_of
from pipeline.layout import Listed


def pages_of(*keys: str) -> list[tuple[str, int, str]]:
    listing = [Listed(key, '"e"', 10) for key in keys]
    random.Random(1).shuffle(listing)
    expansion = expand("run-1", listing)
    assert expansion.errors == ()
    return [(p.message.item, p.message.page, p.message.key) for p in expansion.pages()]


def test_the_item_is_the_folder_above_access() -> None:
    assert pages_of("c/Box 1/Access/p1.tif") == [("Box 1", 1, "c/Box 1/Access/p1.tif")]


def test_without_access_the_item_is_the_folder_of_the_image() -> None:
    assert pages_of("c/Box 1/p1.tif") == [("Box 1", 1, "c/Box 1/p1.tif")]


def test_a_whole_collection_has_many_items_each_counted_from_one() -> None:
    assert pages_of("c/b/Access/1.tif", "c/a/Access/2.tif", "c/a/Access/1.tif") == [
        ("a", 1, "c/a/Access/1.tif"),
        ("a", 2, "c/a/Access/2.tif"),
        ("b", 1, "c/b/Access/1.tif"),
    ]


def test_pages_are_in_natural_order() -> None:
    keys = [f"a/Access/p{number}.tif" for number in (1, 2, 3, 10, 11, 100)]
    assert [key for _, _, key in pages_of(*keys)] == keys


def test_natural_order_ignores_case_and_looks_past_the_suffix() -> None:
    keys = ["a/Page 1.tif", "a/page 2.jpg", "a/PAGE 2a.tif", "a/page 10.TIF"]
    assert [key for _, _, key in pages_of(*keys)] == keys


@given(st.permutations(["a/p1.tif", "a/p01.tif", "a/p001.tif", "a/p2.tif"]))
def test_the_order_does_not_depend_on_the_listings(keys: list[str]) -> None:
    expansion = expand("run-1", [Listed(key, "", 1) for key in keys])
    assert [page.message.key for page in expansion.pages()] == [
        "a/p001.tif",
        "a/p01.tif",
        "a/p1.tif",
        "a/p2.tif",
    ]


@given(st.lists(st.text("aA1029 ._-é/", min_size=1, max_size=9), unique=True, max_size=12))
def test_the_order_in_a_folder_is_that_of_the_whole_keys(names: list[str]) -> None:
    keys = [f"c/Box 2/Access/{name.replace('/', '')}x.tif" for name in names]
    keys = sorted({key for key in keys if is_image(key)})
    expected = natsorted(keys, alg=ns.PATH | ns.IGNORECASE)
    assert [key for _, _, key in pages_of(*keys)] == expected


def test_the_digest_is_the_same_for_the_same_images_alone() -> None:
    listing = [Listed(f"a/Access/p{number}.tif", f'"{number}"', number) for number in range(5)]
    digest = expand("run-1", listing).digest()
    assert expand("run-1", reversed(listing)).digest() == digest
    first, *others = listing
    changed = [
        others,
        [replace(first, etag='"new"'), *others],
        [replace(first, size=9), *others],
        [replace(first, key="a/Access/p00.tif"), *others],
        [replace(first, key="b/Access/p0.tif"), *others],
    ]
    assert digest not in {expand("run-1", other).digest() for other in changed}


def test_other_files_are_counted_not_taken() -> None:
    names = ["p1.tif", "._p1.tif", ".DS_Store", "Thumbs.db", "p1.xml", "tif", "p1.tif.md5"]
    expansion = expand("run-1", [Listed(f"a/Access/{name}", "", 1) for name in names])
    assert [page.message.key for page in expansion.pages()] == ["a/Access/p1.tif"]
    assert expansion.other_files == 6


def test_images_that_cannot_be_read_are_taken_so_that_they_are_told_of() -> None:
    assert is_image("a/p1.jp2")
    assert is_image("a/P1.BMP")
    assert is_image("a/Bericht.PDF")


def test_items_are_named_in_nfc_and_keys_kept_as_they_are() -> None:
    decomposed = "Bu\u0308cher"
    assert pages_of(f"{decomposed}/Access/p1.tif") == [("Bücher", 1, f"{decomposed}/Access/p1.tif")]


def test_an_item_in_two_folders_is_a_mistake() -> None:
    listing = [Listed("x/Letters/Access/p1.tif", "", 1), Listed("y/Letters/p1.tif", "", 1)]
    (error,) = expand("run-1", listing).errors
    assert error == (
        "ACCESS_DIR: expected each item once,"
        " not 'Letters' in several folders: x/Letters/Access, y/Letters"
    )


def test_an_item_cannot_take_the_collections_place() -> None:
    (error,) = expand("run-1", [Listed("x/collection.json/p1.tif", "", 1)]).errors
    assert "rename" in error


def test_access_at_the_top_is_an_item_of_its_own() -> None:
    assert item_of("Access") == "Access"


def test_an_empty_listing_has_no_pages_and_no_mistakes() -> None:
    expansion = expand("run-1", [])
    assert (list(expansion.pages()), expansion.other_files, expansion.errors) == ([], 0, ())
