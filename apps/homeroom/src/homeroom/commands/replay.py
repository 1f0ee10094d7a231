"""`homeroom replay`: make sis-ingest say deliveries again, wait, and print what became of them."""

from typing import Annotated, Any

import typer

from homeroom.commands.asking import operator
from homeroom.commands.options import FolderOption, PortOption, bar, display
from homeroom.commands.tables import JsonOption, print_json, print_table
from homeroom.errors import CommandFailed
from homeroom.installation import DISTRICT
from homeroom.operator_client import Page
from homeroom.services import SIS_INGEST
from homeroom.waiting import wait_for

POLL_S = 0.2
COUNTS = ("total", "changed", "unchanged", "stale", "held", "refused")


def replay(
    deliveries: Annotated[
        list[str] | None, typer.Argument(help="Ids of deliveries; or --source, --from and --to.")
    ] = None,
    district: Annotated[str, typer.Option("--district", help="Whose deliveries.")] = DISTRICT,
    source: Annotated[str | None, typer.Option("--source", help="All of this source…")] = None,
    after: Annotated[
        str | None, typer.Option("--from", help="…that came after this moment, with its zone…")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="…up to this one.")] = None,
    as_of_now: Annotated[
        bool, typer.Option("--as-of-now", help="One file becomes the present state: a rollback.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, judge and report; change nothing.")
    ] = False,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
    within_s: Annotated[float, typer.Option("--within-s", help="How long to wait.")] = 3_600.0,
) -> None:
    """Say DELIVERIES of a district again, in their order; exit 1 if any was refused."""
    wish: dict[str, Any] = {"district": district, "dryRun": dry_run}
    named = {"deliveryIds": deliveries, "source": source, "from": after, "to": until}
    wish |= {name: value for name, value in named.items() if value}
    if as_of_now:
        wish["asOf"] = "now"
    with operator(folder, port_base) as client:
        asked = client.decide(SIS_INGEST, "/replay", wish)
        with bar("deliveries", silent=as_json) as advance:

            def look() -> Page | None:
                page = client.read(SIS_INGEST, f"/replay/{asked['replayId']}")
                advance(page["read"], max(page["total"], 1))
                return page if page["finishedAt"] else None

            report = wait_for(
                f"the end of replay {asked['replayId']}", look, within_s=within_s, every_s=POLL_S
            )
    if as_json:
        print_json(report)
    else:
        _print(report)
    if report["state"] != "completed" or report["refused"]:
        raise typer.Exit(CommandFailed.exit_code)


def _print(report: Page) -> None:
    dry = "dry run, nothing was changed: " if report["dryRun"] else ""
    reason = f" ({report['reason']})" if report["reason"] else ""
    display().say(f"{dry}replay {report['replayId']} {report['state']}{reason}")
    print_table(display(), COUNTS, [[report[name] for name in COUNTS]])
    for why, times in report["refusals"].items():
        display().bad(f"refused: {times:,} {why}")
