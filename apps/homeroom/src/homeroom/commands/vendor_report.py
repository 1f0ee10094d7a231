"""`homeroom vendors report`: what one vendor has of one person. Ids and names of fields only."""

from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from homeroom.commands.asking import ask, operator, page_of
from homeroom.commands.options import FolderOption, PortOption, display, one_name
from homeroom.commands.tables import JsonOption, moment, print_json, print_table
from homeroom.display import Display
from homeroom.errors import CommandFailed
from homeroom.operator_client import Page
from homeroom.services import ROSTER_PUBLISHER

DOOR: Final = "/vendors/{client}/people/{person_id}"
COLUMNS: Final = ("record", "id", "state", "since", "changed", "tombstone", "pulled", "fields")


def report(
    client_id: Annotated[
        str, typer.Argument(metavar="CLIENT", help="The vendor's client id.", callback=one_name)
    ],
    person: Annotated[str, typer.Argument(help="Our id of a person.")],
    district: Annotated[str, typer.Option("--district", help="The district.")],
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show what a vendor has of PERSON: records and fields, since when, and what it was told.

    Exit code 1 when it has nothing.
    """
    at = f"/vendors/{quote(client_id, safe='')}/people/{quote(person, safe='')}"
    with operator(folder, port_base) as client:
        found = page_of(ask(client, ROSTER_PUBLISHER, at, door=DOOR, district=district))
    if as_json:
        print_json(found)
    else:
        _show(display(), found)
    raise typer.Exit(0 if found["records"] else CommandFailed.exit_code)


def _show(screen: Display, found: Page) -> None:
    agreement = found["agreement"]
    ends = moment(agreement["ends"]) or "without end"
    state = "in force" if agreement["inForce"] else "ended"
    screen.say(f"agreement {agreement['reference'] or '-'}, {state}, {ends}")
    if agreement["purpose"]:
        screen.say(f"purpose {agreement['purpose']}")
    if found["grantChanged"]:
        screen.say(f"it sees what it sees since {moment(found['grantChanged'])}")
    if found["told"]:
        screen.say(f"last told by webhook {moment(found['told'])}")
    if found["records"]:
        print_table(screen, COLUMNS, [_row(one) for one in found["records"]])
    else:
        screen.say("this vendor has nothing of this person")


def _row(record: dict[str, Any]) -> tuple[object, ...]:
    times = (moment(record[name]) for name in ("since", "changed", "tombstone", "pulled"))
    return (record["kind"], record["id"], record["state"], *times, _fields(record))


def _fields(record: dict[str, Any]) -> str:
    named = [
        one["name"] if one["transform"] is None else f"{one['name']}({one['transform']})"
        for one in record["fields"]
    ]
    return " ".join(named)
