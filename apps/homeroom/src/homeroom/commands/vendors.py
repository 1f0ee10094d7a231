"""`homeroom vendors`: who may read the roster, what they see, and what they have pulled.

Whatever changes something is tried first and shown. A secret is printed this once and kept nowhere.
"""

from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from homeroom.commands import vendor_report
from homeroom.commands.asking import ask, operator, page_of
from homeroom.commands.deciding import Manner, agreed, decision
from homeroom.commands.options import FolderOption, PortOption, display, one_name
from homeroom.commands.tables import (
    JsonOption,
    LimitOption,
    cell,
    moment,
    print_json,
    print_table,
)
from homeroom.display import Display
from homeroom.operator_client import LONG_S, Page
from homeroom.services import ROSTER_PUBLISHER

DOOR: Final = "/vendors"
ONE: Final = "/vendors/{client}"
SCOPES_AT: Final = "https://purl.imsglobal.org/spec/or/v1p2/scope/"

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


@app.command()
@decision
def create(
    client_id: ClientArgument,
    district: DistrictOption,
    scope: ScopeOption = None,
    school: SchoolOption = None,
    rule: RuleOption = None,
    field: FieldOption = None,
    transform: TransformOption = None,
    agreement: AgreementOption = None,
    purpose: PurposeOption = None,
    expires: ExpiresOption = None,
    rate: RateOption = None,
    burst: BurstOption = None,
    *,
    manner: Manner,
) -> None:
    """Make a vendor and print its secret, once; needs the role admin.

    Without a school and a rule it sees the whole district, without a field all of them.
    """
    given = {
        "agreement": agreement,
        "purpose": purpose,
        "expires": expires,
        "rate": rate,
        "burst": burst,
    }
    wanted = {
        "id": client_id,
        "scopes": _uris(scope or ["roster.readonly"]),
        "schools": school or None,
        "rules": _rules(rule),
        "fields": field or None,
        "transform": _transforms(transform),
        **{name: value for name, value in given.items() if value is not None},
    }
    _change(f"{DOOR}?district={quote(district, safe='')}", wanted, manner, tell=_tell_made)


@app.command()
@decision
def rotate(
    client_id: ClientArgument,
    district: DistrictOption,
    overlap: Annotated[
        float, typer.Option("--overlap", min=0, help="Hours for which the old secret still counts.")
    ] = 24.0,
    now: Annotated[
        bool, typer.Option("--now", help="End the old secret, and tokens given for it, at once.")
    ] = False,
    *,
    manner: Manner,
) -> None:
    """Give a vendor a fresh secret and print it, once; needs the role admin."""
    hours = 0 if now else overlap
    _change(_at(client_id, district, "rotate"), {"overlapHours": hours}, manner, tell=_tell_rotated)


@app.command()
@decision
def grant(
    client_id: ClientArgument,
    district: DistrictOption,
    scope: ScopeOption = None,
    school: SchoolOption = None,
    whole_district: Annotated[
        bool, typer.Option("--whole-district", help="No schools and no rules.")
    ] = False,
    rule: RuleOption = None,
    no_rules: Annotated[bool, typer.Option("--no-rules", help="Schools alone.")] = False,
    field: FieldOption = None,
    all_fields: Annotated[bool, typer.Option("--all-fields", help="All groups of fields.")] = False,
    transform: TransformOption = None,
    as_they_are: Annotated[
        bool, typer.Option("--as-they-are", help="Nothing is transformed.")
    ] = False,
    agreement: AgreementOption = None,
    purpose: PurposeOption = None,
    expires: ExpiresOption = None,
    no_end: Annotated[bool, typer.Option("--no-end", help="It does not end by itself.")] = False,
    rate: RateOption = None,
    burst: BurstOption = None,
    usual_pace: Annotated[bool, typer.Option("--usual-pace", help="No pace of its own.")] = False,
    *,
    manner: Manner,
) -> None:
    """Change what a vendor is granted, as it is shown first; needs the role admin.

    What is not named stays as it is. Shown is how many records it would gain and lose.
    """
    named = {
        "scopes": _uris(scope) if scope else None,
        "schools": school or None,
        "rules": _rules(rule) or None,
        "fields": field or None,
        "transform": _transforms(transform) or None,
        "agreement": agreement,
        "purpose": purpose,
        "expires": expires,
        "rate": rate,
        "burst": burst,
    }
    wanted: Page = {name: value for name, value in named.items() if value is not None}
    for chosen, cleared in (
        (whole_district, {"schools": None, "rules": []}),
        (no_rules, {"rules": []}),
        (all_fields, {"fields": None}),
        (as_they_are, {"transform": {}}),
        (no_end, {"expires": None}),
        (usual_pace, {"rate": None, "burst": None}),
    ):
        if chosen and wanted.keys() & cleared.keys():
            raise typer.BadParameter(f"{' and '.join(cleared)}: given and cleared at once")
        wanted |= cleared if chosen else {}
    if not wanted:
        raise typer.BadParameter("name what shall change")
    _change(_at(client_id, district, "grant"), wanted, manner, tell=_tell_changed)


@app.command()
@decision
def revoke(client_id: ClientArgument, district: DistrictOption, *, manner: Manner) -> None:
    """End a vendor with its secrets and tokens, at once; needs the role admin.

    What it pulled can still be asked for with `audit`.
    """
    _change(_at(client_id, district, "revoke"), {}, manner, tell=_tell_revoked)


@app.command()
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
    at = f"{_one(client_id)}/preview"
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


@app.command()
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
                f"{_one(client_id)}/audit",
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


def _change(at: str, wanted: Page, manner: Manner, *, tell: Any) -> None:
    """Try it, show it, ask, do exactly that and tell it."""
    with operator(manner.folder, manner.port_base) as client:
        plan = client.decide(ROSTER_PUBLISHER, f"{at}&dryRun=true", wanted, timeout_s=LONG_S)
        if not agreed(manner, plan=plan, show=_show, question="Do it?"):
            return
        if "changed" in plan:
            # What was shown is done, or nothing.
            wanted = wanted | {"ifVersion": plan["vendor"]["version"]}
        done = client.decide(ROSTER_PUBLISHER, at, wanted, timeout_s=LONG_S)
    if manner.as_json:
        print_json(done)
    else:
        tell(display(), done)


def _show(plan: Page) -> None:
    screen = display()
    for doubt in plan.get("warnings", ()):
        screen.bad(f"{doubt['field']}: {doubt['code'].replace('_', ' ')}")
    if changed := plan.get("changed"):
        screen.say(f"changes {', '.join(changed)}")
    if "oldUntil" in plan:
        screen.say(f"the old secret ends {moment(plan['oldUntil'])}")
        screen.say(f"tokens that end earlier by it: {plan['tokensCut']:,}")
    if "tokensEnded" in plan:
        screen.say(f"tokens that end: {plan['tokensEnded']:,}")
    if found := plan.get("collections"):
        names = ("before", "after", "gained", "lost")
        rows = [(path, *(counts[name] for name in names)) for path, counts in found.items()]
        print_table(screen, ("collection", *names), rows)


def _tell_made(screen: Display, done: Page) -> None:
    screen.good(f"made: {done['vendor']['client']}")
    _tell_secret(screen, done)


def _tell_rotated(screen: Display, done: Page) -> None:
    screen.good(f"rotated: the old secret ends {moment(done['oldUntil'])}")
    _tell_secret(screen, done)


def _tell_secret(screen: Display, done: Page) -> None:
    screen.say(f"secret {done['secret']}")
    screen.say("it is shown this once: hand it over, and keep it nowhere else")


def _tell_changed(screen: Display, done: Page) -> None:
    screen.good(f"granted: {', '.join(done['changed']) or 'nothing is different'}")


def _tell_revoked(screen: Display, done: Page) -> None:
    screen.good(f"ended: {done['client']}, and {done['tokensEnded']:,} tokens with it")


def _one(client_id: str) -> str:
    return f"{DOOR}/{quote(client_id, safe='')}"


def _at(client_id: str, district: str, verb: str) -> str:
    return f"{_one(client_id)}/{verb}?district={quote(district, safe='')}"


def _uris(scopes: list[str]) -> list[str]:
    """A name alone is one of OneRoster 1.2's."""
    return [one if "://" in one else SCOPES_AT + one for one in scopes]


def _rules(given: list[str] | None) -> list[Page]:
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


def _transforms(given: list[str] | None) -> Page:
    found: Page = {}
    for text in given or ():
        name, equals, how = text.partition("=")
        if not equals:
            raise typer.BadParameter("a transformation is a field and drop, hash or year: name=how")
        found[name.strip()] = how.strip()
    return found


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
