"""The `homeroom` command: gathers the commands and turns their failures into one red line."""

import sys
from collections.abc import Sequence

import httpx2
import typer

from homeroom.commands import (
    authority,
    crosswalk,
    demo,
    doctor,
    holds,
    migrate,
    plans,
    pull,
    pulls,
    replay,
    republish,
    runs,
    snapshot,
    status,
    token,
    trace,
    up,
    vendors,
)
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
app.command()(trace.trace)
app.add_typer(holds.app, name="holds")
app.add_typer(plans.app, name="plans")
app.add_typer(authority.app, name="authority")
app.command()(crosswalk.crosswalk)
app.add_typer(crosswalk.app, name="suggestions")
app.command()(crosswalk.merge)
app.command()(crosswalk.split)
app.command()(crosswalk.undo)
app.command()(snapshot.snapshot)
app.command()(pull.pull)
app.add_typer(pulls.app, name="pulls")
app.add_typer(runs.app, name="runs")
app.command()(replay.replay)
app.command()(republish.republish)
app.command()(migrate.migrate)
app.command()(doctor.doctor)
app.add_typer(vendors.app, name="vendors")
app.add_typer(token.app, name="token")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; `arguments` are the process's own unless given.

    Ends with exit code 1 and one line for what a person can act on, 3 where a service is away.
    """
    configure_logging(service="homeroom", level="error", style="console", stream=sys.stderr)
    try:
        app(arguments)
    except (HomeroomError, httpx2.HTTPError, OSError) as error:
        typer.secho(describe(error), fg="red", bold=True, err=True)
        sys.exit(error.exit_code if isinstance(error, CommandFailed) else 1)


if __name__ == "__main__":
    main()
