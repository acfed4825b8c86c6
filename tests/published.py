"""A small export, made by the worker's and the final job's own code without queue and ledger."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from manifest_builder.build import Publisher
from manifest_builder.items import sort_items
from manifest_builder.writing import Writer
from pipeline.layout import Layout
from pipeline.run import Page, PageState
from pipeline.storage import open_storage
from pipeline.task import Options
from tests.builders import a_message, a_plan
from tests.images import write_image
from tests.steps import run_through
from worker.page import tile_page
from worker.work import PageWork

BASE_URL = "https://images.example.org"
PREFIX = "iiif/archive/Letters"
COLLECTION = f"{PREFIX}/collection.json"
PAGES = {"Lettres d’été #1": [(700, 500), (300, 200)], "map": [(1300, 900)]}
OPTIONS = Options(tile_size=256)


def publish_export(
    source: Path,
    dest_store: str,
    base_url: str = BASE_URL,
    options: Options = OPTIONS,
    also: Sequence[Page] = (),
) -> None:
    """Publish a collection of two items, of two images and one; `also` are pages without tiles."""
    layout = Layout(PREFIX, base_url)
    plan = a_plan(source, layout=layout, dest_store=dest_store, options=options)
    pages = []
    for item, sizes in PAGES.items():
        for page, (width, height) in enumerate(sizes, start=1):
            key = f"{item}-{page}.tif"
            write_image(source / key, width, height, seed=page)
            message = a_message(item=item, page=page, key=key)
            with TemporaryDirectory() as scratch:
                tiled = run_through(tile_page(PageWork(message, plan), Path(scratch)))
            pages.append(Page(message, PageState.DONE, tiled))
    csv = b"identifier,title\nmap,The map\n"
    open_storage(plan.source_store).write(plan.csv_key, csv, "text/csv", 0)
    writer = Writer(open_storage(dest_store))
    pages = sorted([*pages, *also], key=lambda page: page.message.place)
    items = sort_items(pages, (), with_gaps=True)
    Publisher(plan, open_storage(plan.source_store), writer).publish(pages, items)
