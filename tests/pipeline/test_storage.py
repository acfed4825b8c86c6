import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import PermanentError, TilepoolError, TransientError
from pipeline.storage import (
    JPEG_TYPE,
    Forbidden,
    MissingObject,
    Storage,
    TooLarge,
    open_storage,
)
from pipeline.threads import MAX_THREADS

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ODD_NAMES = [
    "a b",
    "a,b",
    "a#b",
    "a?b",
    "a%b",
    "a%20b",
    "a+b",
    "a[b]",
    "0,0,512,512/512,512/0/default.jpg",
    "Bücher/日本語.tif",
    "a&b=c;d@$!()'*",
]


def holds(storage: Storage, key: str) -> bool:
    """Tell whether there is an object of that key."""
    try:
        storage.read(key)
    except MissingObject:
        return False
    return True


@pytest.fixture(params=["file", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Each kind of store, for contract tests."""
    if request.param == "memory":
        return open_storage("memory:///")
    if request.param == "file":
        folder = tmp_path / "bücket with spaces"
        folder.mkdir()
        return open_storage(folder.as_uri())
    return open_storage(f"s3://{request.getfixturevalue('bucket')}")


def put(storage: Storage, key: str, content: bytes | Path = b"x") -> None:
    storage.write(key, content, JPEG_TYPE, max_age=60)


def keys(storage: Storage, prefix: str) -> list[str]:
    return sorted(listed.key for listed in storage.objects(prefix))


# The same for every store


def test_what_is_written_can_be_read(storage: Storage) -> None:
    put(storage, "a/b.jpg", b"tile")
    assert storage.read("a/b.jpg") == b"tile"


def test_a_file_is_written_as_its_content(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"tile" * 1000)
    put(storage, "a/b.jpg", file)
    assert storage.read("a/b.jpg") == b"tile" * 1000


def test_parts_of_an_object_are_returned(storage: Storage) -> None:
    put(storage, "a", b"0123456789")
    assert storage.read_parts("a", [(0, 3), (8, 2)]) == [b"012", b"89"]
    assert storage.read_parts("a", [(4, 6)]) == [b"456789"]
    assert storage.size("a") == 10
    with pytest.raises(MissingObject):
        storage.read_parts("b", [(0, 1)])
    with pytest.raises(MissingObject):
        storage.size("b")


def test_an_object_beyond_a_limit_is_not_read(storage: Storage) -> None:
    put(storage, "a", b"0123456789")
    assert storage.read("a", 10) == b"0123456789"
    with pytest.raises(TooLarge):
        storage.read("a", 9)


def test_an_object_is_read_again_only_if_it_has_changed(storage: Storage) -> None:
    put(storage, "a", b"first")
    read = storage.read_unless("a", "")
    assert read is not None
    content, etag = read
    assert content == b"first"
    assert storage.read_unless("a", etag) is None
    put(storage, "a", b"second")
    changed = storage.read_unless("a", etag)
    assert changed is not None
    assert changed[0] == b"second"
    storage.delete("a")
    with pytest.raises(MissingObject):
        storage.read_unless("a", etag)


def test_the_objects_of_one_folder_are_listed_without_those_below(storage: Storage) -> None:
    for key in ("a/b", "a/c/d", "e"):
        put(storage, key)
    assert [listed.key for listed in storage.objects_in("a")] == ["a/b"]
    assert [listed.key for listed in storage.objects_in("")] == ["e"]
    assert storage.objects_in("nowhere") == []


def test_an_empty_object_is_kept(storage: Storage) -> None:
    put(storage, "empty", b"")
    assert storage.read("empty") == b""


def test_a_second_write_replaces_the_first(storage: Storage) -> None:
    put(storage, "a", b"one, and longer")
    put(storage, "a", b"two")
    assert storage.read("a") == b"two"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_key_may_have_any_letters(storage: Storage, name: str, tmp_path: Path) -> None:
    key = f"folder/{name}"
    put(storage, key, b"one")
    storage.write_all([(key, b"two")], JPEG_TYPE, 60)
    assert storage.read(key) == b"two"
    assert keys(storage, "folder") == [key]
    assert holds(storage, key)
    storage.download(key, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"two"
    storage.delete(key)
    assert not holds(storage, key)


def test_a_listing_holds_all_below_a_folder_and_nothing_beside_it(storage: Storage) -> None:
    for key in ("scans/1.tif", "scans/deep/er/2.tif", "scans2/3.tif", "scans.tif", "other/4.tif"):
        put(storage, key)
    assert keys(storage, "scans") == ["scans/1.tif", "scans/deep/er/2.tif"]


def test_a_listing_of_nothing_is_empty(storage: Storage) -> None:
    assert keys(storage, "nowhere") == []


def test_a_listing_tells_size_and_etag(storage: Storage, tmp_path: Path) -> None:
    put(storage, "scans/1.tif", b"four")
    [listed] = storage.objects("scans")
    assert listed.size == 4
    assert listed.etag
    assert storage.download("scans/1.tif", tmp_path / "copy") == listed.etag


def test_another_content_has_another_etag(storage: Storage) -> None:
    put(storage, "scans/1.tif", b"one")
    [before] = storage.objects("scans")
    put(storage, "scans/1.tif", b"another")
    [after] = storage.objects("scans")
    assert before.etag != after.etag


def test_a_listing_may_be_longer_than_one_answer(storage: Storage) -> None:
    names = [f"scans/{number:04d}.tif" for number in range(1005)]
    assert storage.write_all(((name, b"x") for name in names), JPEG_TYPE, 60) == 1005
    assert keys(storage, "scans") == names


def test_folders_are_those_just_below(storage: Storage) -> None:
    for key in ("p/a b/1.tif", "p/Bücher/deep/2.tif", "p/3.tif", "q/c/4.tif"):
        put(storage, key)
    assert sorted(storage.folders("p")) == ["Bücher", "a b"]
    assert storage.folders("nowhere") == []


def test_a_missing_object_is_told_with_its_key(storage: Storage, tmp_path: Path) -> None:
    for attempt in (
        lambda: storage.read("no/such"),
        lambda: storage.download("no/such", tmp_path / "copy"),
    ):
        with pytest.raises(MissingObject, match="no/such"):
            attempt()
    assert not holds(storage, "no/such")


def test_deleting_what_is_not_there_is_no_error(storage: Storage) -> None:
    put(storage, "a")
    storage.delete("a")
    storage.delete("a")
    assert not holds(storage, "a")


def test_probing_a_store_that_is_there_passes(storage: Storage) -> None:
    storage.probe()
    put(storage, "a")
    storage.probe()


def test_many_objects_are_written_at_once_and_counted(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"from a file")
    contents: list[tuple[str, bytes | Path]] = [
        (f"t/{number}", str(number).encode()) for number in range(3 * MAX_THREADS)
    ]
    assert storage.write_all([*contents, ("t/file", file)], JPEG_TYPE, 60) == 3 * MAX_THREADS + 1
    assert storage.read("t/file") == b"from a file"
    assert all(storage.read(key) == content for key, content in contents)


def test_writing_nothing_is_no_error(storage: Storage) -> None:
    assert storage.write_all([], JPEG_TYPE, 60) == 0


@pytest.mark.parametrize("kind", [PermanentError, TransientError, MissingObject])
def test_an_error_of_ours_among_many_writes_comes_out_as_it_is(
    storage: Storage, kind: type[TilepoolError]
) -> None:
    def contents() -> Iterator[tuple[str, bytes]]:
        yield "a", b"1"
        raise kind("the source broke off")

    with pytest.raises(kind, match="the source broke off"):
        storage.write_all(contents(), JPEG_TYPE, 60)


@pytest.mark.parametrize("key", ["a//b", "a/../b", "a/./b", "a/\ud800"])
def test_a_key_that_no_store_takes_is_an_error_of_ours(
    storage: Storage, key: str, tmp_path: Path
) -> None:
    for attempt in (
        lambda: put(storage, key),
        lambda: storage.write_all([(key, b"x")], JPEG_TYPE, 60),
        lambda: storage.read(key),
        lambda: storage.download(key, tmp_path / "copy"),
    ):
        with pytest.raises(PermanentError):
            attempt()


# Folders


def test_a_folder_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingObject, match="nowhere"):
        open_storage((tmp_path / "nowhere").as_uri())


def test_a_write_that_the_folder_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    storage = open_storage(tmp_path.as_uri())
    put(storage, "taken")
    with pytest.raises(TilepoolError):
        storage.write_all([("taken/below", b"x"), ("free", b"x")], JPEG_TYPE, 60)


def test_a_file_name_that_is_not_unicode_is_told_with_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/p\xff1.tif")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    with pytest.raises(PermanentError, match="scans"):
        list(open_storage(tmp_path.as_uri()).objects("scans"))


def test_a_file_in_the_store_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    storage = open_storage(tmp_path.as_uri())
    put(storage, "a/b.jpg")
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b.jpg"]


# S3


def test_a_bucket_that_is_not_there_is_missing(s3: "S3Client", tmp_path: Path) -> None:
    storage = open_storage("s3://no-such-bucket-anywhere")
    for attempt in (
        storage.probe,
        lambda: list(storage.objects("a")),
        lambda: storage.folders("a"),
        lambda: storage.read("a"),
        lambda: storage.download("a", tmp_path / "copy"),
        lambda: put(storage, "a"),
        lambda: storage.write_all([("a", b"x"), ("b", b"x")], JPEG_TYPE, 60),
    ):
        with pytest.raises(MissingObject):
            attempt()


def test_objects_on_s3_tell_their_type_and_how_long_to_cache_them(
    s3: "S3Client", bucket: str
) -> None:
    storage = open_storage(f"s3://{bucket}")
    storage.write("one", b"x", 'application/ld+json;profile="http://x"', 60)
    storage.write_all([("many", b"x")], JPEG_TYPE, 86_400)
    one, many = (s3.head_object(Bucket=bucket, Key=key) for key in ("one", "many"))
    assert one["ContentType"] == 'application/ld+json;profile="http://x"'
    assert one["CacheControl"] == "public, max-age=60"
    assert many["ContentType"] == "image/jpeg"
    assert many["CacheControl"] == "public, max-age=86400"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_keys_on_s3_are_what_other_clients_see(s3: "S3Client", bucket: str, name: str) -> None:
    storage = open_storage(f"s3://{bucket}")
    put(storage, f"ours/{name}", b"ours")
    s3.put_object(Bucket=bucket, Key=f"theirs/{name}", Body=b"theirs")
    assert s3.get_object(Bucket=bucket, Key=f"ours/{name}")["Body"].read() == b"ours"
    assert storage.read(f"theirs/{name}") == b"theirs"
    assert keys(storage, "theirs") == [f"theirs/{name}"]


def test_an_etag_of_the_listing_is_that_of_s3(s3: "S3Client", bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="scans/1.tif", Body=b"x")["ETag"]
    [listed] = open_storage(f"s3://{bucket}").objects("scans")
    assert listed.etag == etag


def test_a_key_on_s3_that_no_folder_could_have_is_told_with_its_folder(
    s3: "S3Client", bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="scans//1.tif", Body=b"x")
    with pytest.raises(PermanentError, match="scans"):
        list(open_storage(f"s3://{bucket}").objects("scans"))


# Addresses


@pytest.mark.parametrize("url", ["", "scans", "/scans", "http://example.org", "gs://scans"])
def test_an_address_of_no_known_store_is_refused(url: str) -> None:
    with pytest.raises(PermanentError, match="expected s3:// or file://"):
        open_storage(url)


def test_what_the_system_refuses_is_permanent(tmp_path: Path) -> None:
    storage = open_storage(tmp_path.as_uri())
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(Forbidden, match="loop"):
        storage.read("loop")
    with pytest.raises(Forbidden):
        storage.write("x" * 300, b"", "text/plain", 0)
