"""`homeroom snapshot`: hand a OneRoster zip to sis-ingest and wait for its report."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from homeroom.commands.options import FolderOption, PortOption, display, operator_client
from homeroom.operator_client import Page
from homeroom.waiting import wait_for

POLL_S = 0.2
ENDED = frozenset({"completed", "failed", "refused"})


def snapshot(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="OneRoster CSV zip.")],
    source: Annotated[str, typer.Option("--source", help="The source this is the roster of.")],
    folder: FolderOption = None,
    port_base: PortOption = None,
    within_s: Annotated[float, typer.Option("--within-s", help="How long to wait.")] = 3_600.0,
) -> None:
    """Upload FILE as the present state of SOURCE, wait, print the report; exit 1 if it failed."""
    screen = display()
    with closing(operator_client(folder, port_base)) as client:
        size = file.stat().st_size
        with screen.bar("uploaded bytes") as advance:
            run = client.upload(source, file, on_bytes=lambda sent: advance(sent, size))
        with screen.bar("percent") as advance:

            def look() -> Page | None:
                report = client.run(run["runId"])
                advance(int(report["percent"]), 100)
                return report if report["state"] in ENDED else None

            report = wait_for("the end of the run", look, within_s=within_s, every_s=POLL_S)
    screen.say(json.dumps(report, indent=2))
    if report["state"] != "completed":
        raise typer.Exit(1)
