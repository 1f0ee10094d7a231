"""`homeroom vendors preview` and `audit`: what a vendor sees, and what it has pulled."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from homeroom.commands.asking import ask, operator, page_of
from homeroom.commands.options import FolderOption, PortOption, display
from homeroom.commands.tables import JsonOption, LimitOption, moment, print_json, print_table
from homeroom.commands.vendor_words import ONE, ClientArgument, DistrictOption, path_to
from homeroom.services import ROSTER_PUBLISHER


def preview(
    client_id: ClientArgument,
    district: DistrictOption,
    path: Annotated[
        str | None,
        typer.Argument(help="A page to read as the vendor: users, users/ID, schools/ID/classes."),
    ] = None,
    version: Annotated[str, typer.Option("--version", help="Of OneRoster: 1.2 or 1.1.")] = "1.2",
    limit: LimitOption = 20,
    asked: Annotated[str | None, typer.Option("--filter", help="As the vendor would ask.")] = None,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Count what a vendor sees; with PATH read a page as it gets it, as JSON. PATH needs an admin.

    A page holds people's names, and stands in the audit under yours.
    """
    at = f"{path_to(client_id)}/preview"
    with operator(folder, port_base) as client:
        if path is not None:
            more = {} if asked is None else {"filter": asked}
            page = client.read(
                ROSTER_PUBLISHER,
                f"{at}/{quote(path.strip('/'))}",
                district=district,
                version=version,
                limit=limit,
                **more,
            )
            print_json(page)
            return
        door = f"{ONE}/preview"
        found = page_of(ask(client, ROSTER_PUBLISHER, at, door=door, district=district))
    if as_json:
        print_json(found)
        return
    rows = list(found["collections"].items())
    print_table(display(), ("collection", "rows"), rows)
    display().say(f"revision {found['revision']}")


def audit(
    client_id: ClientArgument,
    district: DistrictOption,
    since: Annotated[
        str | None, typer.Option("--from", help="Not before: a time with zone.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before: a time with zone.")] = None,
    before: Annotated[
        str | None, typer.Option("--before", help="Older ones, as the last list said.")
    ] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """List what a vendor pulled, was told and was refused, newest first; no value of a person."""
    within = {"from": since, "to": until, "before": before}
    asked: dict[str, Any] = {name: value for name, value in within.items() if value is not None}
    with operator(folder, port_base) as client:
        found = page_of(
            ask(
                client,
                ROSTER_PUBLISHER,
                f"{path_to(client_id)}/audit",
                door=f"{ONE}/audit",
                district=district,
                limit=limit,
                **asked,
            )
        )
    if as_json:
        print_json(found)
        return
    columns = ("door", "what", "status", "rows", "revision", "ms", "by", "detail")
    rows = [(moment(one["at"]), *(one[name] for name in columns)) for one in found["entries"]]
    print_table(display(), ("at", *columns), rows)
    if found["next"] is not None:
        display().say(f"--before {found['next']} for older ones")
