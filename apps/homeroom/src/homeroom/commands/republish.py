"""`homeroom republish`: make a service say all it knows of a district once more."""

from typing import Annotated

import typer

from homeroom.commands.asking import operator
from homeroom.commands.options import FolderOption, PortOption, display
from homeroom.services import service_named


def republish(
    service: Annotated[str, typer.Argument(help="sis-ingest or roster-publisher.")],
    district: Annotated[str, typer.Option("--district", help="The district to repeat.")],
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Repeat the whole state of DISTRICT as events: how a new consumer begins. Needs an admin.

    May run twice: who has an event already drops its repetition. Ten minutes at most.
    """
    found = service_named(service)
    if found is None:
        raise typer.BadParameter(f"there is no service named {service!r}")
    with operator(folder, port_base) as client:
        answer = client.republish(found, district)
    display().say(", ".join(f"{name} {value}" for name, value in answer.items()))
