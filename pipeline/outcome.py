"""Recording an outcome; the further images of a source come under way before its first is counted.

    count them ─► write their rows ─► send their messages ─► settle the first

As long as the first is queued, its shard has something pending, so no count reaches its end too
early. A crash between any two steps brings the message back, and every step may run twice.
"""

from dataclasses import replace

import structlog

from pipeline.errors import TransientError
from pipeline.ledger import Ledger
from pipeline.outbox import Outbox
from pipeline.run import Page, PageState

log = structlog.get_logger()


def record_outcome(page: Page, ledger: Ledger, outbox: Outbox) -> bool:
    """Settle a page as done or failed; tell whether this was its first outcome.

    Of a source with several images all others are counted, written and sent before.
    """
    seen = page.tiled.parts if page.tiled is not None else 1
    if seen > 1:
        ledger.expand(page, seen)
    elif ledger.settle(page):
        return True
    # Settled by another, or expanded, now or by somebody who may have died before the next step.
    row = ledger.load_page(page)
    if row is None or row.state is not PageState.QUEUED:
        return False
    if row.message.replays != page.message.replays:
        return False
    if page.tiled is not None and row.parts != seen:
        raise TransientError("another worker has seen other images in the file")
    _start_parts(row, ledger, outbox)
    return ledger.settle(replace(page, parts=row.parts))


def _start_parts(first: Page, ledger: Ledger, outbox: Outbox) -> None:
    numbers = range(2, first.parts + 1)
    others = [Page(replace(first.message, part=part, replays=0)) for part in numbers]
    ledger.add_parts(others)
    sent = outbox.send(page.message for page in others)
    log.info("source_expanded", parts=first.parts, messages=sent)
