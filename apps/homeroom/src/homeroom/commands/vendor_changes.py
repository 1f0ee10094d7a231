"""`homeroom vendors create`, `rotate`, `grant` and `revoke`: tried, shown, and done as shown."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from homeroom.commands.asking import operator
from homeroom.commands.deciding import Manner, agreed, decision
from homeroom.commands.options import display
from homeroom.commands.tables import moment, print_json, print_table
from homeroom.commands.vendor_words import (
    DOOR,
    AgreementOption,
    BurstOption,
    ClientArgument,
    DistrictOption,
    ExpiresOption,
    FieldOption,
    PurposeOption,
    RateOption,
    RuleOption,
    SchoolOption,
    ScopeOption,
    TransformOption,
    path_to,
    rules,
    transforms,
    uris,
)
from homeroom.display import Display
from homeroom.operator_client import LONG_S, Page
from homeroom.services import ROSTER_PUBLISHER


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
        "scopes": uris(scope or ["roster.readonly"]),
        "schools": school or None,
        "rules": rules(rule),
        "fields": field or None,
        "transform": transforms(transform),
        **{name: value for name, value in given.items() if value is not None},
    }
    _change(f"{DOOR}?district={quote(district, safe='')}", wanted, manner, tell=_tell_made)


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
        "scopes": uris(scope) if scope else None,
        "schools": school or None,
        "rules": rules(rule) or None,
        "fields": field or None,
        "transform": transforms(transform) or None,
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


@decision
def revoke(client_id: ClientArgument, district: DistrictOption, *, manner: Manner) -> None:
    """End a vendor with its secrets and tokens, at once; needs the role admin.

    What it pulled can still be asked for with `audit`.
    """
    _change(_at(client_id, district, "revoke"), {}, manner, tell=_tell_revoked)


def _change(at: str, wanted: Page, manner: Manner, *, tell: Any) -> None:
    """Try it, show it, ask, do exactly that and tell it."""
    with operator(manner.folder, manner.port_base) as client:
        plan = client.decide(ROSTER_PUBLISHER, f"{at}&dryRun=true", wanted, timeout_s=LONG_S)
        if not agreed(manner, plan=plan, show=_show, question="Do it?"):
            return
        # What was shown is done, or nothing; a vendor to be made is at no version yet.
        version = plan["vendor"]["version"] if "changed" in plan else plan.get("version")
        if version is not None:
            wanted = wanted | {"ifVersion": version}
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


def _at(client_id: str, district: str, verb: str) -> str:
    return f"{path_to(client_id)}/{verb}?district={quote(district, safe='')}"
