"""`homeroom replay`: make sis-ingest say deliveries again, wait, and print what became of them."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from homeroom.commands.asking import operator
from homeroom.commands.following import REPLAY, WITHIN_S, WithinOption, follow, say_begun
from homeroom.commands.options import FolderOption, PortOption, display, one_name
from homeroom.commands.tables import JsonOption, print_json, print_table
from homeroom.errors import CommandFailed
from homeroom.installation import DISTRICT
from homeroom.operator_client import Page
from homeroom.services import SIS_INGEST

COUNTS = ("total", "changed", "unchanged", "stale", "held", "refused")


def replay(
    deliveries: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of deliveries, up to 1,000; or --source, --from and --to."),
    ] = None,
    district: Annotated[str, typer.Option("--district", help="Whose deliveries.")] = DISTRICT,
    source: Annotated[str | None, typer.Option("--source", help="All of this source…")] = None,
    after: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="…that came after this moment, with its zone: 2026-11-25T06:00:00Z…",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="…up to this one.")
    ] = None,
    as_of_now: Annotated[
        bool,
        typer.Option(
            "--as-of-now", help="One file becomes the present state, guards included: a rollback."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, judge and report; change nothing.")
    ] = False,
    replay_id: Annotated[
        str | None,
        typer.Option("--replay", help="Ask for nothing: follow this replay.", callback=one_name),
    ] = None,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
    within_s: WithinOption = WITHIN_S,
) -> None:
    """Say DELIVERIES of a district again, in their order; exit 1 if any was refused. Role operator.

    `homeroom runs show` names the delivery of a file. The replay goes on whatever becomes of this
    command; --replay finds it again.
    """
    span = {"source": source, "from": after, "to": until}
    _ensure_one_way([bool(deliveries), any(span.values()), replay_id is not None], span)
    wish: dict[str, Any] = {"district": district, "dryRun": dry_run}
    wish |= {name: value for name, value in {"deliveryIds": deliveries, **span}.items() if value}
    if as_of_now:
        wish["asOf"] = "now"
    with operator(folder, port_base) as client:
        if replay_id is None:
            replay_id = str(client.decide(SIS_INGEST, "/replay", wish)["replayId"])
            say_begun(REPLAY, replay_id, again="replay --replay")
        report = follow(client, REPLAY, replay_id, within_s=within_s, silent=as_json)
    if as_json:
        print_json(report)
    else:
        _print(report)
    if report["state"] != "completed" or report["refused"]:
        raise typer.Exit(CommandFailed.exit_code)


def _ensure_one_way(ways: list[bool], span: Mapping[str, str | None]) -> None:
    if sum(ways) != 1 or (any(span.values()) and not all(span.values())):
        raise typer.BadParameter(
            "give ids of deliveries, or --source, --from and --to together, or --replay"
        )


def _print(report: Page) -> None:
    dry = "dry run, nothing was changed: " if report["dryRun"] else ""
    reason = f" ({report['reason']})" if report["reason"] else ""
    display().say(f"{dry}replay {report['replayId']} {report['state']}{reason}")
    print_table(display(), COUNTS, [[report[name] for name in COUNTS]])
    for why, times in report["refusals"].items():
        display().bad(f"refused: {times:,} {why}")
