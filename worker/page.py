"""One page from source to published tiles; runs in a tiling process of its own.

Order of effects: an `info.json` that will not be the same goes, tiles, new `info.json`, receipt.
Whoever dies between two of them leaves no `info.json` without all its tiles, and the next attempt
starts over.

Two workers may have the same page, for the queue may deliver a message twice. They write the same
files. The slower takes away nothing that the quicker has finished, unless that comes just between
its look at an older document and the removal of that; then it writes the same again.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.errors import BadImage
from pipeline.geometry import Pyramid
from pipeline.layout import Layout, join_key
from pipeline.message import Message
from pipeline.run import Plan, TiledPage
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
from worker.pixels import open_pixels
from worker.receipt import Receipt, parse_receipt
from worker.tiling import read_tiles, write_tiles, write_whole_images


@dataclass(frozen=True, slots=True)
class PageWork:
    """All that a tiling process needs to know of a page."""

    message: Message
    plan: Plan

    @property
    def layout(self) -> Layout:
        return self.plan.layout

    @property
    def service(self) -> str:
        """Return the key prefix of the page's image service."""
        return self.layout.service(*self.message.place)

    @property
    def info(self) -> str:
        """Return the key of the page's `info.json`."""
        return self.layout.info(*self.message.place)

    @property
    def receipt(self) -> str:
        """Return the key of the page's receipt."""
        return self.layout.receipt(*self.message.place)


def tile_page(work: PageWork, scratch: Path) -> TiledPage:
    """Publish a page's tiles, unless those of an earlier run are still right.

    `scratch` is an empty folder; the caller removes it, for this process may be killed.
    Raises BadImage, MissingObject or TransientError.
    """
    started = time.monotonic()
    dest = _open(work.plan.dest_store)
    receipt = _read_receipt(dest, work.receipt)
    reused = receipt is not None and receipt.covers(work.message.etag, work.plan.options)
    if receipt is None or not reused:
        receipt = _publish_tiles(work, dest, scratch)
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


def _publish_tiles(work: PageWork, dest: Storage, scratch: Path) -> Receipt:
    source = scratch / "source"
    etag = _download(work, source)
    options, part = work.plan.options, work.message.part
    parts = count_parts(source) if part == 1 else 1
    pixels = open_pixels(source, scratch, part, options.pdf_dpi)
    pyramid = options.pyramid(pixels.width, pixels.height)
    archive = write_tiles(pixels, pyramid, options.quality, scratch)
    whole_images = dict(write_whole_images(pixels, pyramid, options.quality, scratch))

    def files() -> Iterator[tuple[str, bytes | Path]]:
        for name, tile in read_tiles(archive):
            for path in pyramid.tile_paths[name]:
                yield join_key(work.service, path), tile
        for path, image in whole_images.items():
            yield join_key(work.service, path), image

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
    dest.write_all(files(), JPEG_TYPE, TILE_MAX_AGE_SECONDS)
    return _publish_info(work, dest, etag, pyramid, parts)


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
