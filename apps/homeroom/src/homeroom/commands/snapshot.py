"""`homeroom snapshot`: hand a file of a source to sis-ingest and wait for its report."""

from pathlib import Path
from typing import Annotated

import typer

from homeroom.commands.asking import operator
from homeroom.commands.following import RUN, WITHIN_S, WithinOption, follow, say_begun
from homeroom.commands.options import FolderOption, PortOption, bar, display, one_name
from homeroom.commands.run_report import print_report
from homeroom.commands.tables import JsonOption, print_json
from homeroom.errors import CommandFailed
from homeroom.operator_client import OperatorClient
from homeroom.services import SIS_INGEST


def snapshot(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="Zip or CSV, as the source gives it."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", help="The source this is the roster of.", callback=one_name),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, judge and report; change nothing.")
    ] = False,
    run: Annotated[
        str | None,
        typer.Option("--run", help="Upload nothing: follow this run.", callback=one_name),
    ] = None,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
    within_s: WithinOption = WITHIN_S,
) -> None:
    """Upload FILE as the present state of SOURCE, wait, print the report; exit 1 if it failed.

    FILE is a OneRoster zip, or the CSV of a source of staff or registrations. What a complete file
    lacks is removed, many at once only after an approval. Role operator.

    The run goes on whatever becomes of this command; --run finds it again.
    """
    if (file is None) == (run is None):
        raise typer.BadParameter("give a FILE, or --run with the run to follow")
    with operator(folder, port_base) as client:
        if file is not None:
            run = _upload(client, file, source, dry_run=dry_run, silent=as_json)
        report = follow(client, RUN, str(run), within_s=within_s, silent=as_json)
    if as_json:
        print_json(report)
    else:
        print_report(display(), report)
    if report["state"] != "completed":
        raise typer.Exit(CommandFailed.exit_code)


def _upload(
    client: OperatorClient, file: Path, source: str | None, *, dry_run: bool, silent: bool
) -> str:
    """Hand the file over and return its run, which is safe from here on and said at once."""
    if source is None:
        raise typer.BadParameter("--source names the source this is the roster of")
    if dry_run:
        _ensure_dry_run_is_known(client)
    size = file.stat().st_size
    with bar("uploaded bytes", silent=silent) as advance:
        run = client.upload(
            source, file, on_bytes=lambda sent: advance(sent, size), dry_run=dry_run
        )
    run_id = str(run["runId"])
    say_begun(RUN, run_id, again="snapshot --run")
    return run_id


def _ensure_dry_run_is_known(client: OperatorClient) -> None:
    """Raise where the service would take the file for real: one that is older than dry runs."""
    doors = client.read(SIS_INGEST, "/openapi.json")["paths"]
    post = doors.get("/snapshots/{source}", {}).get("post", {})
    if not any(one["name"] == "dryRun" for one in post.get("parameters", ())):
        raise CommandFailed("this sis-ingest knows no dry run; nothing was sent")
