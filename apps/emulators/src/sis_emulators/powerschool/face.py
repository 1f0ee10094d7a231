"""PowerSchool SIS: token, REST, event subscriptions, data versions, OneRoster 1.1.

Facts and their sources: README.md.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.routing import Route

from sis_emulators.emulator import Face, House
from sis_emulators.office.records import Contact, Person, Record, Staff, Student
from sis_emulators.powerschool import events, rest, versions
from sis_emulators.powerschool.events import Events
from sis_emulators.powerschool.rest import Rest
from sis_emulators.powerschool.versions import Versions
from sis_emulators.rostering.dialect import Dialect
from sis_emulators.rostering.service import RosterService
from sis_emulators.wire.guard import Limits
from sis_emulators.wire.tokens import TokenIssuer, TokenRules

PRODUCT = "PowerSchool SIS emulator"
TOKEN_PATH = "/oauth/access_token"  # noqa: S105  # a path
ROSTER_BASE = "/api/ims/oneroster/v1p1"
TOKEN_LIFETIME_S = 2_592_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What an administrator sets, and which of the unknown shapes is served."""

    page_max: int
    interval_s: float
    notify: events.Shape
    delta: versions.Shape
    application: str
    counts: bool
    token_lifetime_s: int


class DcidNames:
    """A letter for the table and the DCID: two tables hold the same numbers."""

    def org(self, school: int | None) -> str:
        """The district has no number."""
        return f"O{school}" if school else "D"

    def session(self, term: int) -> str:
        """A term."""
        return f"Y{term}"

    def course(self, course: int) -> str:
        """A course."""
        return f"C{course}"

    def section(self, section: int) -> str:
        """A class."""
        return f"K{section}"

    def person(self, person: Person, _role: str) -> str:
        """STUDENTS.DCID, USERS.DCID or the number of a contact."""
        match person:
            case Student():
                return f"S{person.dcid}"
            case Staff():
                return f"T{person.dcid}"
            case Contact():
                return f"G{person.dcid}"
            case _:
                raise TypeError(type(person).__name__)

    def seat(self, enrolment: int) -> str:
        """CC.DCID."""
        return f"E{enrolment}"

    def teaching(self, section: int) -> str:
        """The section's lead teacher."""
        return f"L{section}"


def face(house: House, choices: Choices) -> Face:
    """All routes, and the one that tells subscribers."""
    rules = TokenRules(lifetime_s=choices.token_lifetime_s, lifetime_as_text=True)
    tokens = TokenIssuer(house.credentials, house.evidence, rules)
    told = Events(house, tokens, choices.notify)
    records = Rest(house, tokens, choices.page_max)
    deltas = Versions(house.office, records, choices.application, choices.delta)

    def authorise(request: Request, _collection: str) -> tuple[int, str] | None:
        return None if tokens.check(request) else (401, "unauthorisedrequest")

    roster = RosterService(
        base=ROSTER_BASE, office=house.office, faults=house.faults, evidence=house.evidence,
        dialect=Dialect(
            version="1.1", names=DcidNames(), nulls=True, pads=True, counts=choices.counts
        ),
        authorise=authorise,
    )  # fmt: skip
    return Face(
        routes=[
            Route(TOKEN_PATH, tokens.issue, methods=["POST"]),
            *told.routes(),
            *records.routes(),
            *deltas.routes(),
            *roster.routes(),
        ],
        addresses={
            "tokenUrl": TOKEN_PATH,
            "restUrl": rest.BASE,
            "dataVersionUrl": f"{versions.BASE}/{choices.application}",
            "oneRoster11Url": ROSTER_BASE,
        },
        names_of=_names_of,
        expire_tokens=tokens.expire,
        limits=Limits(interval_s=choices.interval_s),
        lifespan=told.running,
    )


def _names_of(record: Record) -> dict[str, str]:
    """REST numbers of a person's posts, and the id of a person in OneRoster."""
    if not isinstance(record, Person):
        return {"rest": str(record.dcid)}
    numbers = [record.dcid]
    if isinstance(record, Staff):
        numbers = [post.dcid for post in record.posts]
    return {
        "rest": ",".join(str(number) for number in numbers),
        "oneRoster11": DcidNames().person(record, ""),
    }
