"""Options that several commands share, and the client an operator command works with."""

import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Final

import typer

from homeroom.display import Advance, Display
from homeroom.errors import CommandFailed
from homeroom.layout import Layout, Ports
from homeroom.operator_client import OperatorClient
from homeroom.ownership import read_running
from homeroom.settings import CommandSettings, command_settings

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        help="Where an installation keeps its files (HOMEROOM_FOLDER).",
        show_default=".demo",
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port-base",
        help="First of the ports, the others follow (HOMEROOM_PORT_BASE); else the folder's.",
        show_default="8101",
    ),
]


# As `roster_common/runtime/tokens.py` mints them; or nothing.
TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]*")


def layout_of(folder: Path | None) -> Layout:
    """Return the layout of the folder given, else of HOMEROOM_FOLDER, else of `.demo`."""
    return Layout(folder=folder or command_settings().folder)


def ports_of(port_base: int | None) -> Ports:
    """Return the ports given, else of HOMEROOM_PORT_BASE, else the fixed ones."""
    return Ports(base=port_base or command_settings().port_base)


def display() -> Display:
    """Return the terminal, plain in CI."""
    return Display(plain=command_settings().in_ci)


def one_name(name: str | None) -> str | None:
    """Refuse what could lead to another page of a service than the one that is meant."""
    if name is not None and ("/" in name or not any(map(str.isalnum, name))):
        raise typer.BadParameter("this is no name: it has a slash, or no letter and no digit")
    return name


def bar(label: str, *, silent: bool) -> AbstractContextManager[Advance]:
    """Return a bar on the terminal, or with `silent` one that shows nothing."""
    return nullcontext(lambda _done, _total: None) if silent else display().bar(label)


def operator_client(
    folder: Path | None, port_base: int | None, *, token_needed: bool = True
) -> OperatorClient:
    """Return a client with HOMEROOM_OPERATOR_TOKEN, else with the folder's token.

    Without a port it takes that of the installation running in the folder. Raises CommandFailed
    where there is no token though one is needed, and where one is none.
    """
    layout, settings = layout_of(folder), command_settings()
    running = read_running(layout)
    if port_base is None and running is not None:
        port_base = int(running["portBase"])
    token = _token(layout, settings)
    if token_needed and not token:
        raise CommandFailed(
            f"no operator token: set HOMEROOM_OPERATOR_TOKEN or start an installation that writes "
            f"{layout.token}"
        )
    return OperatorClient(ports=ports_of(port_base), token=token, address=settings.address)


def _token(layout: Layout, settings: CommandSettings) -> str:
    """Return the token, empty where there is none."""
    where, token = "HOMEROOM_OPERATOR_TOKEN", ""
    if settings.operator_token is not None:
        token = settings.operator_token.get_secret_value()
    elif layout.token.exists():
        where, token = str(layout.token), layout.token.read_text(encoding="utf-8", errors="replace")
    token = token.strip()
    if not TOKEN.fullmatch(token):
        raise CommandFailed(f"{where} holds no token: one line of letters, digits, dots, - and _")
    return token
