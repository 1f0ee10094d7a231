"""`homeroom vendors`: who may read the roster, and what they have of it."""

import typer

from homeroom.commands import vendor_report

app = typer.Typer(no_args_is_help=True, help="Vendors, and what they have of the roster.")
app.command()(vendor_report.report)


@app.callback()
def vendors() -> None:
    """Keep the command below it apart, although it is the only one."""
