"""`homeroom runs`: what became of files and pulls, newest first."""

from typing import Annotated, Any

import typer

from homeroom.commands.asking import ask, operator, page_of
from homeroom.commands.options import FolderOption, PortOption, display
from homeroom.commands.run_report import print_report
from homeroom.commands.tables import (
    JsonOption,
    OffsetOption,
    RunLimitOption,
    moment,
    more,
    print_json,
    print_table,
)
from homeroom.operator_client import Page
from homeroom.services import SIS_INGEST

SHOWN = 20
DOOR = "/runs"
COLUMNS = (
    *("run", "source", "since", "state", "read", "changed", "removed", "held", "refused"),
    *("warnings", "why"),
)

app = typer.Typer(
    help="What became of files and pulls: counts, problems, what waits.",
    invoke_without_command=True,
)


@app.callback()
def page(
    context: typer.Context,
    district: Annotated[str | None, typer.Option("--district", help="Only of this one.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only of this one.")] = None,
    state: Annotated[
        str | None, typer.Option("--state", help="waiting, running, completed, refused, failed.")
    ] = None,
    limit: RunLimitOption = SHOWN,
    offset: OffsetOption = 0,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """List runs with their counts over all kinds of records."""
    if context.invoked_subcommand is not None:
        return
    named = {"district": district, "source": source, "state": state}
    query: dict[str, str | int] = {name: value for name, value in named.items() if value}
    with operator(folder, port_base) as client:
        answer = ask(client, SIS_INGEST, DOOR, door=DOOR, limit=limit, offset=offset, **query)
        found = page_of(answer)
    if as_json:
        print_json(found)
        return
    if found["runs"]:
        print_table(display(), COLUMNS, [_row(run) for run in found["runs"]])
    display().say(more("runs", shown=len(found["runs"]), total=found["total"], offset=offset))


@app.command()
def show(
    which: Annotated[str, typer.Argument(help="Id of a run.")],
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show one: counts per kind of record, problems, warnings, what was refused and why."""
    with operator(folder, port_base) as client:
        found = client.run(which)
    if as_json:
        print_json(found)
    else:
        print_report(display(), found)


def _row(run: Page) -> tuple[Any, ...]:
    def total(name: str) -> int:
        return sum(counts[name] for counts in run["counts"].values())

    return (
        *(run["runId"], run["sourceId"], moment(run["receivedAt"])),
        run["state"] + (" (dry)" if run["dryRun"] else ""),
        *(total("read"), total("changed"), run["removals"]["applied"]),
        run["removals"]["held"] + run["additions"]["held"],
        *(total("refused"), len(run["warnings"]), run["reason"]),
    )
