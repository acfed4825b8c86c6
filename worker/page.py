"""One page from source to published tiles; runs in a tiling process of its own.

Order of effects: an `info.json` that will not be the same goes, tiles, new `info.json`, receipt.
Whoever dies between two of them leaves no `info.json` without all its tiles, and the next attempt
starts over.

Two workers may have the same page, for the queue may deliver a message twice. They write the same
files. The slower takes away nothing that the quicker has finished, unless that comes just between
its look at an older document and the removal of that; then it writes the same again.
"""

import time
from functools import cache
from pathlib import Path

from pipeline.errors import BadImage
from pipeline.geometry import Pyramid
from pipeline.layout import join_key
from pipeline.run import TiledPage
from pipeline.storage import (
    DOCUMENT_MAX_AGE_SECONDS,
    INFO_TYPES,
    JPEG_TYPE,
    JSON_TYPE,
    TILE_MAX_AGE_SECONDS,
    MissingObject,
    Storage,
    TooLarge,
    open_storage,
)
from worker.budget import MAX_SOURCE_BYTES
from worker.info import info_json
from worker.parts import count_parts
from worker.pixels import Source, with_source
from worker.receipt import Receipt, parse_receipt
from worker.spool import Spool
from worker.tiling import write_files
from worker.work import PageWork, Steps


def tile_page(work: PageWork, scratch: Path) -> Steps[TiledPage]:
    """Publish a page's tiles, unless those of an earlier run are still right.

    It pauses when its source is there, until it may compute, and when all files are made, before
    they are uploaded. `scratch` is an empty folder; the caller removes it, for this process may be
    killed.
    Raises BadImage, MissingObject or TransientError.
    """
    started = time.monotonic()
    dest = _open(work.plan.dest_store)
    receipt = _read_receipt(dest, work.receipt)
    reused = receipt is not None and receipt.covers(work.message.etag, work.plan.options)
    if receipt is None or not reused:
        receipt = yield from _publish_tiles(work, dest, scratch)
    elif not _is_described(_read_info(dest, work), work, receipt.pyramid):
        # Another address; or a worker died that had withdrawn what another wrote meanwhile.
        receipt = _publish_info(work, dest, receipt.etag, receipt.pyramid, receipt.parts)
    return TiledPage(
        width=receipt.width,
        height=receipt.height,
        sizes=receipt.pyramid.sizes,
        tiles=receipt.tiles,
        seconds=time.monotonic() - started,
        reused=reused,
        parts=receipt.parts,
    )


def _publish_tiles(work: PageWork, dest: Storage, scratch: Path) -> Steps[Receipt]:
    source = scratch / "source"
    etag = _download(work, source)
    yield
    parts = count_parts(source) if work.message.part == 1 else 1
    pyramid, spool = _make_files(work, source, scratch)
    yield
    # Uploads of others should not fill the disk with what is not needed any more.
    source.unlink()

    published = _read_receipt(dest, work.receipt)
    if published is not None and _same(published, work, etag):
        return published  # by another worker, meanwhile; its page may be recorded as done
    # From here on the page's old tiles are overwritten, so what says otherwise must go. Only what
    # was seen to do so: where nothing was, another worker may publish the same page by now.
    if published is not None:
        dest.delete(work.receipt)
    described = _read_info(dest, work)
    if described is not None and not _is_described(described, work, pyramid):
        dest.delete(work.info)
    files = ((join_key(work.service, path), content) for path, content in spool.files())
    dest.write_all(files, JPEG_TYPE, TILE_MAX_AGE_SECONDS)
    return _publish_info(work, dest, etag, pyramid, parts)


def _make_files(work: PageWork, source: Path, scratch: Path) -> tuple[Pyramid, Spool]:
    """Make all image files of a page's service, before the first is uploaded.

    For the source may turn out to be damaged at its very end.
    """
    options = work.plan.options

    def make(image: Source) -> tuple[Pyramid, Spool]:
        pyramid, spool = options.pyramid(*image.size), Spool(scratch)
        write_files(image, pyramid, options.quality, spool)
        return pyramid, spool

    return with_source(source, scratch, make, work.message.part, options.pdf_dpi)


def _download(work: PageWork, source: Path) -> str:
    """Copy a page's file, as it is now: it may have been replaced since its message was sent."""
    try:
        store = _open(work.plan.source_store)
        return store.download(work.message.key, source, MAX_SOURCE_BYTES)
    except TooLarge as error:
        raise BadImage(f"{error}; split it, or compress it") from error


def _publish_info(
    work: PageWork, dest: Storage, etag: str, pyramid: Pyramid, parts: int
) -> Receipt:
    url = work.layout.url(work.service)
    dest.write(
        work.info, info_json(url, pyramid), INFO_TYPES[pyramid.image_api], DOCUMENT_MAX_AGE_SECONDS
    )
    receipt = Receipt(
        etag=etag,
        options=work.plan.options,
        service_url=url,
        width=pyramid.width,
        height=pyramid.height,
        tiles=len(pyramid.paths),
        parts=parts,
    )
    dest.write(work.receipt, receipt.to_json(), JSON_TYPE, max_age=0)
    return receipt


def _same(receipt: Receipt, work: PageWork, etag: str) -> bool:
    url = work.layout.url(work.service)
    return receipt.covers(etag, work.plan.options) and receipt.service_url == url


def _is_described(info: bytes | None, work: PageWork, pyramid: Pyramid) -> bool:
    """Tell whether the page's `info.json` will be the same: then published links need not break."""
    return info == info_json(work.layout.url(work.service), pyramid)


def _read_info(dest: Storage, work: PageWork) -> bytes | None:
    try:
        return dest.read(work.info)
    except MissingObject:
        return None


def _read_receipt(dest: Storage, key: str) -> Receipt | None:
    try:
        return parse_receipt(dest.read(key))
    except MissingObject:
        return None


@cache
def _open(url: str) -> Storage:
    return open_storage(url)
