"""`homeroom snapshot`: hand a file of a source to sis-ingest and wait for its report."""

from pathlib import Path
from typing import Annotated

import typer

from homeroom.commands.asking import operator
from homeroom.commands.options import FolderOption, PortOption, bar, display
from homeroom.commands.run_report import print_report
from homeroom.commands.tables import JsonOption, print_json
from homeroom.errors import CommandFailed
from homeroom.operator_client import OperatorClient, Page
from homeroom.services import SIS_INGEST
from homeroom.waiting import wait_for

POLL_S = 0.2
ENDED = frozenset({"completed", "failed", "refused"})


def snapshot(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="Zip or CSV, as the source gives it."),
    ],
    source: Annotated[str, typer.Option("--source", help="The source this is the roster of.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, judge and report; change nothing.")
    ] = False,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
    within_s: Annotated[float, typer.Option("--within-s", help="How long to wait.")] = 3_600.0,
) -> None:
    """Upload FILE as the present state of SOURCE, wait, print the report; exit 1 if it failed."""
    with operator(folder, port_base) as client:
        if dry_run:
            _ensure_dry_run_is_known(client)
        size = file.stat().st_size
        with bar("uploaded bytes", silent=as_json) as advance:
            run = client.upload(
                source, file, on_bytes=lambda sent: advance(sent, size), dry_run=dry_run
            )
        with bar("percent", silent=as_json) as advance:

            def look() -> Page | None:
                report = client.run(run["runId"])
                advance(int(report["percent"]), 100)
                return report if report["state"] in ENDED else None

            report = wait_for(
                f"the end of run {run['runId']}", look, within_s=within_s, every_s=POLL_S
            )
    if as_json:
        print_json(report)
    else:
        print_report(display(), report)
    if report["state"] != "completed":
        raise typer.Exit(CommandFailed.exit_code)


def _ensure_dry_run_is_known(client: OperatorClient) -> None:
    """Raise where the service would take the file for real: one that is older than dry runs."""
    doors = client.read(SIS_INGEST, "/openapi.json")["paths"]
    post = doors.get("/snapshots/{source}", {}).get("post", {})
    if not any(one["name"] == "dryRun" for one in post.get("parameters", ())):
        raise CommandFailed("this sis-ingest knows no dry run; nothing was sent")
