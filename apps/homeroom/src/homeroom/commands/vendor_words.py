"""What commands about vendors share: where vendors are, and options that are words of an order."""

from typing import Annotated, Final
from urllib.parse import quote

import typer

from homeroom.commands.options import one_name
from homeroom.operator_client import Page

DOOR: Final = "/vendors"
ONE: Final = "/vendors/{client}"
_SCOPES_AT: Final = "https://purl.imsglobal.org/spec/or/v1p2/scope/"

DistrictOption = Annotated[str, typer.Option("--district", help="The district.")]
ClientArgument = Annotated[str, typer.Argument(help="The vendor's client id.", callback=one_name)]
ScopeOption = Annotated[
    list[str] | None,
    typer.Option("--scope", help="A token scope, such as roster.readonly; may be repeated."),
]
SchoolOption = Annotated[
    list[str] | None, typer.Option("--school", help="A school it sees; may be repeated.")
]
RuleOption = Annotated[
    list[str] | None,
    typer.Option("--rule", help="A scope by rule: 'grades=05,06;subjects=Math'; may be repeated."),
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        help="names, contact, identifiers, birth, ethnicity, metadata; may be repeated.",
    ),
]
TransformOption = Annotated[
    list[str] | None,
    typer.Option("--transform", help="What is sent of a field: birthDate=year; may be repeated."),
]
PurposeOption = Annotated[str | None, typer.Option("--purpose", help="What the agreement is for.")]
AgreementOption = Annotated[
    str | None, typer.Option("--agreement", help="Under which agreement, as you call it.")
]
ExpiresOption = Annotated[
    str | None, typer.Option("--expires", help="When it ends: 2027-06-30T00:00:00Z.")
]
RateOption = Annotated[
    float | None, typer.Option("--rate", min=0, help="Requests a second in the long run.")
]
BurstOption = Annotated[int | None, typer.Option("--burst", min=1, help="Requests at once.")]


def path_to(client_id: str) -> str:
    """Where one vendor is."""
    return f"{DOOR}/{quote(client_id, safe='')}"


def uris(scopes: list[str]) -> list[str]:
    """Write token scopes in full; a name alone is one of OneRoster 1.2's."""
    return [one if "://" in one else _SCOPES_AT + one for one in scopes]


def rules(given: list[str] | None) -> list[Page]:
    """Read scopes by rule; raises BadParameter for one that is none."""
    return [_rule(text) for text in given or ()]


def _rule(text: str) -> Page:
    """`name=value,value;name=value`; values with a comma go by the service's own page."""
    found: Page = {}
    for part in text.split(";"):
        name, equals, values = part.partition("=")
        if not equals or name.strip() not in {"schools", "grades", "courses", "subjects"}:
            raise typer.BadParameter(
                "a rule is schools=, grades=, courses= or subjects= with values, joined by ;"
            )
        found[name.strip()] = [one.strip() for one in values.split(",")]
    return found


def transforms(given: list[str] | None) -> Page:
    """Read what is sent of each field; raises BadParameter for what says it of none."""
    found: Page = {}
    for text in given or ():
        name, equals, how = text.partition("=")
        if not equals:
            raise typer.BadParameter("a transformation is a field and drop, hash or year: name=how")
        found[name.strip()] = how.strip()
    return found
