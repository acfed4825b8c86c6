"""A folder with a file of each kind and form, good and bad, through `tilepool local`."""

import subprocess
import sys
from pathlib import Path

import pyvips

from tests.builders import ENVIRONMENT, task_body
from tests.differences import delta_e
from tests.exports import Export
from tests.images import write_image
from tests.kinds.table import SUFFIXES, SUPPORTED
from tests.photographs import Pixels

BASE_URL = "http://127.0.0.1:8124"
COLLECTION = f"{BASE_URL}/iiif/archive/Letters/collection.json"
ONE_POINT_A_PIXEL = 72
JPEG_DELTA_E = 2.5
"""The mean that a JPEG of the best quality may add to small pictures of fine grain."""


def write_good(folder: Path) -> dict[str, Pixels]:
    """Write an item for each form of each kind; return what the first page of each shows."""
    shown = {}
    for kind, variants in SUPPORTED.items():
        for variant, write in variants.items():
            access = folder / f"{kind} {variant}" / "Access"
            access.mkdir(parents=True)
            shown[access.parent.name] = write(access / f"scan.{SUFFIXES[kind]}")
    return shown


def write_bad(folder: Path) -> dict[str, str]:
    """Write an item for each way to be no image; return what each reason must say."""
    whole = write_image(folder / "../whole.tif", 300, 200).read_bytes()
    bomb = folder / "../bomb.png"
    pyvips.Image.black(50_000, 50_000).write_to_file(str(bomb), compression=9, bitdepth=1)
    assert bomb.stat().st_size < 400_000
    photo = write_image(folder / "../whole.jpg", 300, 200).read_bytes()
    bad = {
        "cut off.tif": (whole[: len(whole) // 2], "damaged"),
        "cut off.jpg": (photo[: len(photo) // 2], "damaged"),
        "corrupt.jpg": (photo[:400] + bytes(200) + photo[600:], "damaged"),
        "nothing.png": (b"", "empty"),
        "text.tif": (b"Dear reader,\nthis is no scan.\n", "is text"),
        "locked.pdf": (locked_pdf(), "password"),
        "damaged.pdf": (b"%PDF-1.7\n" + bytes(500), "damaged"),
        "drawing.tif": (b"8BPS\0\1" + bytes(200), "not an image of a kind"),
        "bomb.png": (bomb.read_bytes(), "too many"),
    }
    for name, (content, _) in bad.items():
        access = folder / f"bad {name}" / "Access"
        access.mkdir(parents=True)
        (access / name).write_bytes(content)
    return {f"bad {name}": reason for name, (_, reason) in bad.items()}


def locked_pdf() -> bytes:
    """Return a PDF that opens with a password alone: the empty one does not fit its digests."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 150] >>",
        b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (b"5a" * 32, b"a5" * 32),
    ]
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"<< /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<%s> <%s>] >>" % (2 * (b"0f" * 16,))
    return (
        content
        + b"xref\n0 5\n0000000000 65535 f \n%s" % table
        + b"trailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (trailer, len(content))
    )


def tilepool(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "console", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_good_file_comes_out_right_and_every_bad_one_is_named(
    tmp_path: Path, source: Path, dest: Path
) -> None:
    folder = source / ENVIRONMENT["ACCESS_DIR"]
    shown, bad = write_good(folder), write_bad(folder)
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    rows = "".join(f"{item}\n" for item in (*shown, *bad))
    csv.write_text(f"identifier\n{rows}", encoding="utf-8")
    task = tmp_path / "task.json"
    task.write_bytes(task_body(options={"quality": 95, "pdfDpi": ONE_POINT_A_PIXEL}))

    done = tilepool("local", task, "--source", source, "--dest", dest, "--base-url", BASE_URL)
    lines = done.stdout.splitlines()
    assert done.returncode == 3, done.stdout + done.stderr
    failures = [line for line in lines if line.startswith("  failed ")]
    assert len(failures) == len(bad)
    for item, reason in bad.items():
        assert any(f" {item}, page 1 " in line and reason in line for line in failures), item

    manifests = Export(dest, BASE_URL).manifests(COLLECTION)
    assert manifests.keys() == shown.keys()
    for item, expected in shown.items():
        canvases = manifests[item]["items"]
        assert len(canvases) == (2 if item.endswith("several pages") else 1), item
        assert (canvases[0]["width"], canvases[0]["height"]) == expected.shape[1::-1], item
        body = canvases[0]["items"][0]["items"][0]["body"]
        published = pyvips.Image.new_from_file(str(Export(dest, BASE_URL).file(body["id"])))
        assert delta_e(published.numpy(), expected).mean() < JPEG_DELTA_E, item

    verified = tilepool("verify", dest, "--sample", 500)
    assert verified.returncode == 0, verified.stdout + verified.stderr
