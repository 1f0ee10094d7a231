"""The `homeroom` command: gathers the commands and turns their failures into one red line."""

import sys

import httpx2
import typer

from homeroom.commands import demo, doctor, migrate, republish, snapshot, status, token, up
from homeroom.display import Display
from homeroom.errors import CommandFailed
from homeroom.failure import describe
from roster_common.errors import HomeroomError
from roster_common.runtime.logging import configure_logging

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Homeroom: from a change in the SIS to correct rosters, accounts, tickets and devices.",
)
app.command()(up.up)
app.command()(demo.demo)
app.command()(status.status)
app.command()(snapshot.snapshot)
app.command()(republish.republish)
app.command()(migrate.migrate)
app.command()(doctor.doctor)
app.add_typer(token.app, name="token")


def main() -> None:
    """Run one command. Exit code 1 with one line for what a person can act on."""
    configure_logging(service="homeroom", level="error", style="console", stream=sys.stderr)
    try:
        app()
    except (CommandFailed, HomeroomError, httpx2.HTTPError, OSError) as error:
        Display(plain=False).bad(describe(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
