"""Infinite Campus: OneRoster 1.1 and 1.2 in its own manner, tokens only, five requests at once.

Facts and their sources: README.md. The token path is not derivable from the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sis_emulators.emulator import Face, House
from sis_emulators.infinite_campus.extract import Extract
from sis_emulators.office.records import Person, Record, Student
from sis_emulators.rostering.dialect import Dialect, roles_of
from sis_emulators.rostering.names import UuidNames
from sis_emulators.rostering.service import RosterService
from sis_emulators.wire.answers import Json
from sis_emulators.wire.guard import Limits
from sis_emulators.wire.tokens import TokenIssuer, TokenRules

PRODUCT = "Infinite Campus emulator"
TOKEN_PATH = "/campus/oauth2/token"  # noqa: S105  # a path
NEW_BASE = "/campus/api/ims/oneroster/rostering/v1p2"
OLD_BASE = "/campus/api/oneroster/v1p1/{app}/ims/oneroster/v1p1"
MOST_ITEMS = 50_000
AT_ONCE = 5
LETTERS = {
    "student": "s",
    "teacher": "t",
    "administrator": "a",
    "aide": "d",
    "guardian": "g",
    "relative": "r",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What is not known of the live system, or is the district's to choose.

    `legacy` is the shape of `metadata.ic.legacysourceId`, `prefix` what stands between a role's
    letter and the number.
    """

    app_name: str
    legacy: Literal["flat", "nested"]
    prefix: Literal["plus", "bare"]
    extract_dir: Path | None
    token_lifetime_s: int


class OldNames(UuidNames):
    """As in 1.1: a person has one id for each role, the role's letter before the person's id."""

    def __init__(self, district: str, between: str) -> None:
        super().__init__(district)
        self._between = between

    def person(self, person: Person, role: str) -> str:
        """Such as `s+123456`."""
        return f"{LETTERS[role]}{self._between}{person.person_id}"


def face(house: House, choices: Choices) -> Face:
    """The routes of both versions, the token, and the back door's way to ask for an extract."""
    rules = TokenRules(lifetime_s=choices.token_lifetime_s)
    tokens = TokenIssuer(house.credentials, house.evidence, rules)
    district = house.office.district.uuid
    new_names = UuidNames(district)
    old_names = OldNames(district, "+" if choices.prefix == "plus" else "")
    old = Dialect(version="1.1", names=old_names, sees=_seen, most=MOST_ITEMS, record_per_role=True)
    new = Dialect(
        version="1.2", names=new_names, sees=_seen, most=MOST_ITEMS,
        metadata=_flat if choices.legacy == "flat" else _nested,
    )  # fmt: skip

    def served(base: str, dialect: Dialect) -> list[Route]:
        return RosterService(
            base=base, office=house.office, dialect=dialect, faults=house.faults,
            evidence=house.evidence,
            authorise=lambda request, _name: (
                None if tokens.check(request) else (401, "unauthorisedrequest")
            ),
        ).routes()  # fmt: skip

    async def issue(request: Request) -> Response:
        if request.query_params.get("appName") != choices.app_name:
            house.evidence.refusals["unknown_app"] += 1
            return Json({"error": "invalid_request"}, status_code=400)
        return await tokens.issue(request)

    def names_of(record: Record) -> dict[str, str]:
        return {"oneRoster12": new_names.of(record), **_old_ids(old_names, record)}

    extract = Extract(house.office, old, choices.extract_dir)
    return Face(
        routes=[
            Route(TOKEN_PATH, issue, methods=["POST"]),
            Route("/_clerk/extract", extract.endpoint, methods=["POST"]),
            *served(OLD_BASE.format(app=choices.app_name), old),
            *served(NEW_BASE, new),
        ],
        addresses={
            "tokenUrl": f"{TOKEN_PATH}?appName={choices.app_name}",
            "oneRoster11Url": OLD_BASE.format(app=choices.app_name),
            "oneRoster12Url": NEW_BASE,
        },
        names_of=names_of,
        expire_tokens=tokens.expire,
        limits=Limits(at_once=AT_ONCE),
    )


def _seen(person: Person) -> bool:
    """Only who has an enabled account; a no-show has no enrolment that would be returned."""
    return person.portal and not (isinstance(person, Student) and person.no_show)


def _flat(person: Person) -> Mapping[str, object]:
    return {"ic.legacysourceId": str(person.person_id)}


def _nested(person: Person) -> Mapping[str, object]:
    return {"ic": {"legacysourceId": str(person.person_id)}}


def _old_ids(names: OldNames, record: Record) -> dict[str, str]:
    """A person's ids in 1.1 by role; those of other records are the same in both versions."""
    if not isinstance(record, Person):
        return {"oneRoster11": names.of(record)}
    roles = roles_of(record, lambda _student: 0)
    return {f"oneRoster11.{role}": names.person(record, role) for role in roles}
