"""`homeroom republish`: make a service say all it knows of a district once more."""

from contextlib import closing
from typing import Annotated

import typer

from homeroom.commands.options import FolderOption, PortOption, display, operator_client
from homeroom.errors import CommandFailed
from homeroom.services import service_named


def republish(
    service: Annotated[str, typer.Argument(help="sis-ingest or roster-publisher.")],
    district: Annotated[str, typer.Option("--district", help="The district to repeat.")],
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Repeat the whole state of DISTRICT as events: how a new consumer begins. Needs an admin."""
    found = service_named(service)
    if found is None:
        raise CommandFailed(f"there is no service named {service!r}")
    with closing(operator_client(folder, port_base)) as client:
        answer = client.republish(found, district)
    display().say(", ".join(f"{name} {value}" for name, value in answer.items()))
