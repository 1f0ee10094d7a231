"""`homeroom pull`: read a source's own interface now, wait, and print the report of its run."""

from typing import Annotated
from urllib.parse import quote

import typer

from homeroom.commands.asking import operator
from homeroom.commands.options import FolderOption, PortOption, display
from homeroom.commands.run_report import print_report
from homeroom.commands.tables import JsonOption, print_json, print_table
from homeroom.display import Advance
from homeroom.errors import CommandFailed
from homeroom.operator_client import OperatorClient, Page
from homeroom.services import SIS_INGEST
from homeroom.waiting import wait_for

POLL_S = 0.2
ENDED = frozenset({"completed", "failed"})
RUN_ENDED = frozenset({"completed", "failed", "refused"})


def pull(
    source: Annotated[str, typer.Argument(help="The source to read.")],
    full: Annotated[
        bool, typer.Option("--full", help="Everything, not only what changed.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, judge and report; change nothing.")
    ] = False,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
    within_s: Annotated[float, typer.Option("--within-s", help="How long to wait.")] = 3_600.0,
) -> None:
    """Pull SOURCE, wait for the end, print the report; exit 1 if it failed."""
    with operator(folder, port_base) as client:
        query = f"?mode={'full' if full else 'delta'}{'&dryRun=true' if dry_run else ''}"
        asked = client.decide(SIS_INGEST, f"/pulls/{quote(source, safe='')}{query}", {})
        with display().bar("items read") as advance:
            pulled = _wait_for_pull(client, asked["pullId"], advance, within_s)
        run = None
        if pulled["runId"] is not None:
            with display().bar("percent") as advance:
                run = _wait_for_run(client, pulled["runId"], advance, within_s)
    if as_json:
        print_json({"pull": pulled, "run": run})
    else:
        _print_pull(pulled)
        if run is not None:
            print_report(display(), run)
    if run is None or run["state"] != "completed":
        raise typer.Exit(CommandFailed.exit_code)


def _wait_for_pull(client: OperatorClient, pull_id: str, advance: Advance, within_s: float) -> Page:
    def look() -> Page | None:
        page = client.read(SIS_INGEST, f"/pulls/{pull_id}")
        totals = [one["total"] or one["items"] for one in page["sections"].values()]
        advance(page["items"], max(sum(totals), page["items"], 1))
        return page if page["state"] in ENDED else None

    return wait_for(f"the end of pull {pull_id}", look, within_s=within_s, every_s=POLL_S)


def _wait_for_run(client: OperatorClient, run_id: str, advance: Advance, within_s: float) -> Page:
    def look() -> Page | None:
        report = client.run(run_id)
        advance(int(report["percent"]), 100)
        return report if report["state"] in RUN_ENDED else None

    return wait_for(f"the end of run {run_id}", look, within_s=within_s, every_s=POLL_S)


def _print_pull(page: Page) -> None:
    reason = f" ({page['reason']})" if page["reason"] else ""
    display().say(f"{page['mode']} pull {page['pullId']} {page['state']}{reason}")
    print_table(
        display(),
        ("section", "pages", "items", "total", "not whole because"),
        [
            (name, one["pages"], one["items"], one["total"], one["fault"])
            for name, one in page["sections"].items()
        ],
    )
