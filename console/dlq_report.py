"""What a command shows of the dead-letter queue."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

from console.dlq import Group, Survey
from console.plain import counted, iso_time, say, spoken

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from rich.console import Console

MAX_SHOWN_REASONS = 20


def read_retention_seconds(client: "SQSClient", queue_url: str) -> int:
    """Return how long a queue keeps a message."""
    answer = client.get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["MessageRetentionPeriod"]
    )
    return int(answer["Attributes"]["MessageRetentionPeriod"])


def survey_as_json(survey: Survey, retention_seconds: int) -> str:
    """Return an object, in ASCII."""
    groups = [
        asdict(group)
        | {
            "oldest": iso_time(group.oldest),
            "expires": iso_time(group.oldest + retention_seconds),
        }
        for group in survey.groups
    ]
    told = {"letters": survey.depth, "looked_at": survey.looked_at, "groups": groups}
    return json.dumps(told, indent=2)


def show_survey(console: "Console", survey: Survey, retention_seconds: int) -> None:
    """Print letters by run and reason, with an example of each."""
    if survey.is_partial:
        many = f"looked at {survey.looked_at:,} of about {counted(survey.depth, 'dead letter')}"
        say(console, f"{many}; others may be in the hand of another command")
    else:
        say(console, counted(survey.looked_at, "dead letter"))
    for run_id, groups in groupby(survey.groups, key=lambda group: group.run):
        _show_run(console, run_id, list(groups), retention_seconds)
    if survey.unknown:
        say(
            console,
            f"{counted(survey.unknown, 'letter')} that no run knows:"
            " `replay` leaves them, and SQS drops them in time",
        )


def _show_run(
    console: "Console", run_id: str | None, groups: Sequence[Group], retention_seconds: int
) -> None:
    state = groups[0].state
    say(console, f"{run_id or 'no run'}" + (f" ({spoken(state)})" if state else ""))
    for group in groups[:MAX_SHOWN_REASONS]:
        say(console, f"  {group.letters:>6,}  {group.reason}")
        say(console, f"          for example {group.example}")
    if len(groups) > MAX_SHOWN_REASONS:
        say(console, f"          … and {len(groups) - MAX_SHOWN_REASONS} more reasons")
    oldest = min(group.oldest for group in groups)
    expires = iso_time(oldest + retention_seconds)
    say(console, f"          the oldest of {iso_time(oldest)}; SQS drops it at {expires}")
