"""Sending the messages of a sealed run, from its rows, and noting how far that has come."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from dispatcher.deadline import Deadline
from pipeline.ledger import Ledger
from pipeline.message import Message
from pipeline.outbox import Outbox
from pipeline.run import SHARDS, Page, PageState, Run

MIN_MESSAGES = 5_000
"""Between two notes, in whole shards. So many are sent twice when the process is killed, which
costs a look at the ledger each; a run of fewer needs no note."""


def send_pages(run: Run, ledger: Ledger, outbox: Outbox, deadline: Deadline) -> int:
    """Send what is queued, from the first shard on that is not noted; return how many.

    Raises OutOfTime between two portions, when the first is noted.
    """
    sent = 0
    queued = ledger.pages(run.run_id, PageState.QUEUED, run.sent)
    for shards, messages in _portions(queued):
        sent += outbox.send(messages)
        if shards < SHARDS:
            ledger.note_sent(run.run_id, shards)
            deadline.check()
    return sent


def _portions(pages: Iterable[Page]) -> Iterator[tuple[int, list[Message]]]:
    """Yield messages, and how many shards are complete with them."""
    portion: list[Message] = []
    for shard, found in groupby(pages, key=lambda page: page.shard):
        portion += (page.message for page in found)
        if len(portion) >= MIN_MESSAGES:
            yield shard + 1, portion
            portion = []
    if portion:
        yield SHARDS, portion
