"""`homeroom vendors`: who may read the roster, what they see, and what they have pulled.

Whatever changes something is tried first and shown. A secret is printed this once and kept nowhere.
"""

import typer

from homeroom.commands import vendor_changes, vendor_report, vendor_views
from homeroom.commands.asking import ask, operator, page_of
from homeroom.commands.options import FolderOption, PortOption, display
from homeroom.commands.tables import JsonOption, cell, moment, print_json, print_table
from homeroom.commands.vendor_words import DOOR, DistrictOption
from homeroom.operator_client import Page
from homeroom.services import ROSTER_PUBLISHER

app = typer.Typer(
    help="Who may read the roster, what they see, and what they have of it.", no_args_is_help=True
)
app.command()(vendor_report.report)


@app.command(name="list")
def list_vendors(
    district: DistrictOption,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """List the vendors of DISTRICT: what each is granted, and when it last pulled."""
    with operator(folder, port_base) as client:
        found = page_of(ask(client, ROSTER_PUBLISHER, DOOR, door=DOOR, district=district))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["client"],
            one["state"],
            one["origin"],
            _scopes(one),
            _sees(one),
            _fields(one),
            one["agreement"],
            moment(one["expires"]),
            moment(one["lastPull"]),
        )
        for one in found["vendors"]
    ]
    columns = ("client", "state", "origin", "scopes", "sees", "fields", "agreement", "expires")
    print_table(display(), (*columns, "last pull"), rows)


for command in (
    vendor_changes.create,
    vendor_changes.rotate,
    vendor_changes.grant,
    vendor_changes.revoke,
    vendor_views.preview,
    vendor_views.audit,
):
    app.command()(command)


def _scopes(vendor: Page) -> str:
    return " ".join(one.rpartition("/or/")[2].replace("/scope/", ":") for one in vendor["scopes"])


def _sees(vendor: Page) -> str:
    if vendor["schools"] is None and not vendor["rules"]:
        return "the district"
    rules = [
        " ".join(f"{name}={','.join(values)}" for name, values in one.items())
        for one in vendor["rules"]
    ]
    return "; ".join(filter(None, [" ".join(vendor["schools"] or ()), *rules]))


def _fields(vendor: Page) -> str:
    groups = "all" if vendor["fields"] is None else cell(vendor["fields"])
    return " ".join([groups, *(f"{name}={how}" for name, how in vendor["transform"].items())])
