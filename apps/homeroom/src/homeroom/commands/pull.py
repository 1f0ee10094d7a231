"""`homeroom pull`: read a source's own interface now, wait, and print the report of its run."""

from typing import Annotated
from urllib.parse import quote

import typer

from homeroom.commands.asking import operator
from homeroom.commands.following import PULL, RUN, WITHIN_S, WithinOption, follow, say_begun
from homeroom.commands.options import FolderOption, PortOption, display, one_name
from homeroom.commands.pulls import print_pull
from homeroom.commands.run_report import print_report
from homeroom.commands.tables import JsonOption, print_json
from homeroom.errors import CommandFailed
from homeroom.operator_client import OperatorClient
from homeroom.services import SIS_INGEST


def pull(
    source: Annotated[
        str | None, typer.Argument(help="The source to read.", callback=one_name)
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Everything, not what changed since the last pull; only so are removals."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, judge and report; change nothing.")
    ] = False,
    pull_id: Annotated[
        str | None,
        typer.Option("--pull", help="Ask for nothing: follow this pull.", callback=one_name),
    ] = None,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
    within_s: WithinOption = WITHIN_S,
) -> None:
    """Pull SOURCE, wait for the end, print the report; exit 1 if it failed. Role operator.

    A source that cannot say what changed, or was never pulled, is read in full. The pull goes on
    whatever becomes of this command; --pull finds it again.
    """
    if (source is None) == (pull_id is None):
        raise typer.BadParameter("give a SOURCE, or --pull with the pull to follow")
    if pull_id is not None and (full or dry_run):
        raise typer.BadParameter("--full and --dry-run are for a new pull")
    with operator(folder, port_base) as client:
        if source is not None:
            pull_id = _ask(client, source, full=full, dry_run=dry_run)
        pulled = follow(client, PULL, str(pull_id), within_s=within_s, silent=as_json)
        run = None
        if pulled["runId"] is not None:
            run = follow(client, RUN, pulled["runId"], within_s=within_s, silent=as_json)
    if as_json:
        print_json({"pull": pulled, "run": run})
    else:
        print_pull(display(), pulled)
        if run is not None:
            print_report(display(), run)
    if run is None or run["state"] != "completed":
        raise typer.Exit(CommandFailed.exit_code)


def _ask(client: OperatorClient, source: str, *, full: bool, dry_run: bool) -> str:
    """Ask for a pull; its id, said at once: from here on it is done."""
    query = f"?mode={'full' if full else 'delta'}{'&dryRun=true' if dry_run else ''}"
    asked = client.decide(SIS_INGEST, f"/pulls/{quote(source, safe='')}{query}", {})
    say_begun(PULL, asked["pullId"], again="pull --pull")
    return str(asked["pullId"])
