"""Files wait in memory as long as they fit, and on the disk beyond that."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from worker.spool import Spool

contents = st.lists(st.binary(max_size=40), max_size=30)


@given(contents=contents, in_memory_bytes=st.integers(0, 300))
def test_what_goes_in_comes_out(
    tmp_path_factory: object, contents: list[bytes], in_memory_bytes: int
) -> None:
    folder: Path = tmp_path_factory.mktemp("scratch")  # type: ignore[attr-defined]
    spool = Spool(folder, in_memory_bytes)
    for number, content in enumerate(contents):
        spool.add([f"{number}/a", f"{number}/b"], content)
    expected = {
        f"{number}/{name}": content for number, content in enumerate(contents) for name in "ab"
    }
    assert dict(spool.files()) == expected
    assert len(spool) == len(expected)
    on_disk = sum(file.stat().st_size for file in folder.iterdir())
    assert sum(map(len, contents)) - on_disk <= in_memory_bytes


def test_what_fits_leaves_the_disk_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.add(["a"], b"x" * 1_000_000)
    assert "a" in spool
    assert list(tmp_path.iterdir()) == []
