import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import scripts, usage
from benchmarks.contest import Result
from benchmarks.cropping import by_factor, spread
from benchmarks.images import Kind, Picture
from benchmarks.latency import judge
from benchmarks.relay import Traffic
from benchmarks.run import replace_section
from benchmarks.tables import number, ratio, table
from benchmarks.usage import Usage, interpolated

SPIN = "import time\nwhile time.process_time() < {seconds}: pass"


def spin(seconds: float) -> list[str]:
    return [sys.executable, "-c", SPIN.format(seconds=seconds)]


def test_the_cpu_time_of_grandchildren_counts() -> None:
    code = f"import subprocess; subprocess.run({spin(0.3)!r}); subprocess.Popen({spin(0.3)!r})"
    used = usage.run([sys.executable, "-c", code])
    assert used.cpu_seconds >= 0.6
    assert 0.3 <= used.looks[-1][1] <= used.cpu_seconds + 0.1


def test_a_command_that_fails_is_an_error_that_shows_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="out of luck"):
        usage.run([sys.executable, "-c", "import sys; sys.exit('out of luck')"])


def test_the_largest_process_counts() -> None:
    small, large = (
        usage.run([sys.executable, "-c", f"b'x' * {size}"]).peak_bytes for size in (1, 80_000_000)
    )
    assert large - small > 70_000_000


def test_values_between_looks_are_interpolated() -> None:
    looks = [(1.0, 10.0), (2.0, 20.0), (4.0, 20.0)]
    at = [0.0, 1.0, 1.5, 3.0, 9.0]
    assert [interpolated(looks, time) for time in at] == [10, 10, 15, 20, 20]


def test_the_scripts_get_every_image(tmp_path: Path) -> None:
    script = 'echo "$1" >> "$0.out"\n'
    for order in (scripts.one_after_another, scripts.two_at_a_time):
        subprocess.run(order(script, ["a b.tif", "c.tif"], tmp_path), check=True)
    said = (tmp_path / "script.sh.out").read_text().splitlines()
    assert sorted(said) == ["a b.tif", "a b.tif", "c.tif", "c.tif"]


def test_a_script_that_fails_ends_the_measurement(tmp_path: Path) -> None:
    for order in (scripts.one_after_another, scripts.two_at_a_time):
        with pytest.raises(RuntimeError):
            usage.run(order("false\n", ["a.tif"], tmp_path))


def test_tiles_are_sampled_from_every_scale_factor() -> None:
    tiles = by_factor(Picture(Kind.SCAN, 0, 2_049, 1_000))
    assert {factor: len(found) for factor, found in tiles.items()} == {1: 10, 2: 3, 4: 2}
    assert all(tile.width <= 512 * factor for factor, found in tiles.items() for tile in found)
    assert [len(spread(found, 2)) for found in tiles.values()] == [2, 2, 2]
    assert spread(tiles[4][:1], 2) == tiles[4][:1]


def test_cores_are_busy_between_the_first_request_and_the_last_answer() -> None:
    looks = ((0.0, 0.0), (10.0, 1.0), (20.0, 17.0), (30.0, 17.0))
    traffic = Traffic({"GET": 3}, 50, 50, first=10.0, last=20.0, cpu_seconds=1.0)
    used = Usage(0.0, 30.0, 17.0, 0, 0, looks)
    busy = judge(Result(used, 30.0, 0.0, 2.0, 1.0, traffic), cores=2)
    assert (busy.contestant, busy.proxy, busy.servers) == (0.8, 0.05, 0.15)
    assert busy.of_rest == pytest.approx(1)
    assert busy.bytes_per_second == 10


def test_numbers_have_as_many_digits_as_a_measurement() -> None:
    given = [None, 0, 0.00123, 0.456, 1.234, 12.34, 1234.5]
    assert [number(value) for value in given] == [
        "–",
        "0",
        "0.0012",
        "0.46",
        "1.23",
        "12.3",
        "1,234",
    ]
    assert (ratio(1, 2), ratio(None, 2), ratio(1, None), ratio(1, 0)) == (0.5, None, None, None)


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["c", "1"]]) == "| a | b |\n| --- | --: |\n| c | 1 |"


PAGE = (
    "before\n<!-- peers -->\nold\n<!-- /peers -->\nbetween\n<!-- pool -->\n<!-- /pool -->\nafter\n"
)


def test_a_section_replaces_what_stood_there_and_nothing_else() -> None:
    once = replace_section(PAGE, "peers", "new\n\n")
    assert once == PAGE.replace("old", "new")
    assert replace_section(once, "peers", "new") == once
    assert "<!-- pool -->\nx\n<!-- /pool -->\nafter" in replace_section(PAGE, "pool", "x")


def test_a_section_without_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="marks of nothing"):
        replace_section(PAGE, "nothing", "x")
