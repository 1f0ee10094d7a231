"""`homeroom pulls`: how reading the sources' own interfaces went, newest first."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from homeroom.commands.asking import ask, operator, page_of
from homeroom.commands.options import FolderOption, PortOption, display, one_name
from homeroom.commands.tables import (
    JsonOption,
    OffsetOption,
    RunLimitOption,
    moment,
    more,
    print_json,
    print_table,
)
from homeroom.display import Display
from homeroom.operator_client import Page
from homeroom.services import SIS_INGEST

SHOWN = 20
DOOR = "/pulls"
COLUMNS = ("pull", "source", "since", "mode", "state", "pages", "items", "failures", "run", "why")
SECTION_COLUMNS = ("section", "pages", "items", "total", "not whole because")

app = typer.Typer(
    help="How pulls of sources went: pages, items, failures, the run each became.",
    invoke_without_command=True,
)


@app.callback()
def page(
    context: typer.Context,
    district: Annotated[str | None, typer.Option("--district", help="Only of this one.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only of this one.")] = None,
    limit: RunLimitOption = SHOWN,
    offset: OffsetOption = 0,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """List pulls, those asked for and those of the schedule."""
    if context.invoked_subcommand is not None:
        return
    named = {"district": district, "source": source}
    query: dict[str, str | int] = {name: value for name, value in named.items() if value}
    with operator(folder, port_base) as client:
        answer = ask(client, SIS_INGEST, DOOR, door=DOOR, limit=limit, offset=offset, **query)
        found = page_of(answer)
    if as_json:
        print_json(found)
        return
    if found["pulls"]:
        print_table(display(), COLUMNS, [_row(one) for one in found["pulls"]])
    display().say(more("pulls", shown=len(found["pulls"]), total=found["total"], offset=offset))


@app.command()
def show(
    which: Annotated[
        str, typer.Argument(metavar="ID", help="As the list shows it.", callback=one_name)
    ],
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show one: what came of each section, and why one does not count as whole."""
    with operator(folder, port_base) as client:
        found = client.read(SIS_INGEST, f"{DOOR}/{quote(which, safe='')}")
    if as_json:
        print_json(found)
    else:
        print_pull(display(), found)


def print_pull(screen: Display, pull: Page) -> None:
    """Print how far it is, section by section; counts and codes only."""
    dry = "dry run: " if pull.get("dryRun") else ""
    reason = f" ({pull['reason']})" if pull["reason"] else ""
    because = f", in full because of {found}" if (found := _because(pull)) else ""
    screen.say(f"{dry}{pull['mode']} pull {pull['pullId']} {pull['state']}{reason}{because}")
    rows = [
        (name, one["pages"], one["items"], one["total"], one["fault"])
        for name, one in pull["sections"].items()
    ]
    print_table(screen, SECTION_COLUMNS, rows)


def _row(pull: Page) -> tuple[Any, ...]:
    pages = sum(one["pages"] for one in pull["sections"].values())
    return (
        *(pull["pullId"], pull["sourceId"], moment(pull["askedAt"]), pull["mode"]),
        pull["state"] + (" (dry)" if pull["dryRun"] else ""),
        *(pages, pull["items"], pull["failures"], pull["runId"], pull["reason"] or _because(pull)),
    )


def _because(pull: Page) -> str | None:
    """Why what was to be a delta became a full pull; an older service does not say."""
    found = pull.get("fullBecause")
    return None if found is None else str(found)
