"""The subcommands that look at runs and dead letters, and change nothing."""

import sys

import click

from console.commands.guard import guarded
from console.commands.shared import json_option, run_argument
from console.errors import ExitCode
from console.options import Where, deployment_options


@click.command(short_help="Show where a run stands, and what to do next.")
@run_argument
@click.option("--watch", "watched", is_flag=True, help="Show it again and again until it ends.")
@json_option
@deployment_options
def status(name: str, watched: bool, as_json: bool, where: Where) -> None:  # noqa: FBT001
    """Show where RUN stands, how quickly it goes on, its last errors, and what to do next.

    RUN is a run's id, an unambiguous beginning of one, or `last`. With --watch and --json there is
    an object on a line for each change.

    Exit codes: 0; with --watch as the run ends: 0 done; 1 cancelled; 2 its task was bad; 3 done,
    but images failed.
    """
    from console.connected import connected
    from console.runs import find_run
    from console.status import show_status, status_as_json
    from console.viewing import view
    from console.watching import watch

    def show() -> ExitCode:
        with connected(where) as (place, console):
            run = find_run(place.ledger, name)
            if watched:
                return watch(place, run, console, where, as_json=as_json)
            found = view(place, run)
            if as_json:
                click.echo(status_as_json(found, where.typed))
            else:
                show_status(console, found, where.typed)
        return ExitCode.DONE

    sys.exit(guarded(show))


@click.command(short_help="List the newest runs.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, metavar="N")
@json_option
@deployment_options
def runs(limit: int, as_json: bool, where: Where) -> None:  # noqa: FBT001
    """List the newest N runs."""
    from console.connected import connected
    from console.runs import newest_runs
    from console.runs_report import runs_as_json, show_runs

    def show() -> ExitCode:
        with connected(where) as (place, console):
            listed = list(newest_runs(place.ledger, limit))
        if as_json:
            click.echo(runs_as_json(listed))
        else:
            show_runs(console, listed)
        return ExitCode.DONE

    sys.exit(guarded(show))


@click.command(short_help="List the failed pages of a run, with reasons.")
@run_argument
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="CSV, for spreadsheets.")
@deployment_options
def failed(name: str, as_json: bool, as_csv: bool, where: Where) -> None:  # noqa: FBT001
    """List the failed pages of RUN, with the reasons.

    In CSV, a text that a spreadsheet would compute gets an apostrophe in front. JSON is exact.

    Exit codes: 0 none failed; 1 failed; 2 usage; 3 some pages failed.
    """
    from console import failures
    from console.connected import connected
    from console.runs import find_run

    if as_json and as_csv:
        raise click.UsageError("expected either --json or --csv, not both")

    def show() -> ExitCode:
        with connected(where) as (place, console):
            run = find_run(place.ledger, name)
            found = failures.failures_of(run.run_id, place.ledger)
        if as_json:
            click.echo(failures.as_json(found))
        elif as_csv:
            click.echo(failures.as_csv(found), nl=False)
        else:
            failures.show_failures(console, found)
            if not found:
                click.echo(f"{run.run_id}: no page has failed", err=True)
        return ExitCode.DONE_WITH_FAILURES if found else ExitCode.DONE

    sys.exit(guarded(show))


@click.command(short_help="Show what lies in the dead-letter queue.")
@json_option
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Look at so many letters at most.",
)
@deployment_options
def dlq(as_json: bool, limit: int, where: Where) -> None:  # noqa: FBT001
    """Show what lies in the dead-letter queue, also what no run knows.

    The letters that are looked at are hidden from others meanwhile, and then put back.
    """
    from console.connected import connected
    from console.dlq import look_at_letters
    from console.dlq_report import read_retention_seconds, show_survey, survey_as_json

    def show() -> ExitCode:
        with connected(where) as (place, console):
            kept = read_retention_seconds(place.sqs, place.dead_letter_queue_url)
            survey = look_at_letters(place.dead_letters, place.ledger, limit)
        if as_json:
            click.echo(survey_as_json(survey, kept))
        else:
            show_survey(console, survey, kept)
        return ExitCode.DONE

    sys.exit(guarded(show))
