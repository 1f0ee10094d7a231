"""OneRoster 1.1 (OAuth 1.0a or OAuth 2) and 1.2 (OAuth 2 with scopes) at the standard paths."""

from uuid import UUID, uuid5

from starlette.requests import Request
from starlette.routing import Route

from sis_emulators.emulator import Face, House
from sis_emulators.office.records import (
    Contact,
    Course,
    Enrolment,
    Person,
    Record,
    School,
    Section,
    Staff,
    Student,
    Term,
)
from sis_emulators.rostering.dialect import Dialect
from sis_emulators.rostering.service import Authorise, RosterService
from sis_emulators.wire.signatures import SignatureDesk
from sis_emulators.wire.tokens import TokenDesk, TokenRules

PRODUCT = "OneRoster SIS emulator"
OLD_BASE = "/ims/oneroster/v1p1"
NEW_BASE = "/ims/oneroster/rostering/v1p2"
TOKEN_PATH = "/oauth2/token"  # noqa: S105  # a path
ADDRESSES = {"tokenUrl": TOKEN_PATH, "oneRoster11Url": OLD_BASE, "oneRoster12Url": NEW_BASE}
_SCOPE = "https://purl.imsglobal.org/spec/or/{version}/scope/{name}.readonly"
_NAMES = ("roster-core", "roster", "roster-demographics")
SCOPES = frozenset(
    _SCOPE.format(version=version, name=name) for version in ("v1p1", "v1p2") for name in _NAMES
)


class UuidNames:
    """GUIDs made of the district's, the table and the number."""

    def __init__(self, district: str) -> None:
        self._space = UUID(district)

    def org(self, school: int | None) -> str:
        """The district is school 0."""
        return self._name("schools", school or 0)

    def session(self, term: int) -> str:
        """A term."""
        return self._name("terms", term)

    def course(self, course: int) -> str:
        """A course."""
        return self._name("courses", course)

    def section(self, section: int) -> str:
        """A class."""
        return self._name("sections", section)

    def person(self, person: Person, _role: str) -> str:
        """One for all roles."""
        return self._name("people", person.person_id)

    def seat(self, enrolment: int) -> str:
        """A student's enrolment."""
        return self._name("seats", enrolment)

    def teaching(self, section: int) -> str:
        """A teacher's enrolment."""
        return self._name("teaching", section)

    def _name(self, table: str, number: int) -> str:
        return str(uuid5(self._space, f"{table}:{number}"))

    def of(self, record: Record) -> str:
        """The sourcedId of any record."""
        match record:
            case School():
                return self.org(record.dcid)
            case Term():
                return self.session(record.dcid)
            case Course():
                return self.course(record.dcid)
            case Section():
                return self.section(record.dcid)
            case Enrolment():
                return self.seat(record.dcid)
            case Student() | Staff() | Contact():
                return self.person(record, "")
            case _:
                raise TypeError(type(record).__name__)


def face(house: House, *, revision_headers: bool, token_lifetime_s: int) -> Face:
    """The routes of both versions. `revision_headers` are ClassLink's three."""
    rules = TokenRules(scopes=SCOPES, lifetime_s=token_lifetime_s)
    tokens = TokenDesk(house.credentials, house.evidence, rules)
    signatures = SignatureDesk(house.credentials, house.evidence)
    names = UuidNames(house.office.district.uuid)

    def served(base: str, dialect: Dialect, authorise: Authorise) -> list[Route]:
        return RosterService(
            base=base, office=house.office, dialect=dialect, faults=house.faults,
            evidence=house.evidence, authorise=authorise,
        ).routes()  # fmt: skip

    def old(request: Request, collection: str) -> tuple[int, str] | None:
        if request.headers.get("authorization", "").lower().startswith("oauth "):
            return None if signatures.check(request) else (401, "unauthorisedrequest")
        return _opens(tokens, request, "v1p1", collection)

    def new(request: Request, collection: str) -> tuple[int, str] | None:
        return _opens(tokens, request, "v1p2", collection)

    return Face(
        routes=[
            Route(TOKEN_PATH, tokens.issue, methods=["POST"]),
            *served(OLD_BASE, Dialect(
                version="1.1", names=names, revision_headers=revision_headers), old),
            *served(NEW_BASE, Dialect(
                version="1.2", names=names, revision_headers=revision_headers), new),
        ],
        names_of=lambda record: {"oneRoster": names.of(record)},
        expire_tokens=tokens.expire,
    )  # fmt: skip


def _opens(
    tokens: TokenDesk, request: Request, version: str, collection: str
) -> tuple[int, str] | None:
    """Demographics have a scope of their own; the other roster scopes do not open them."""
    token = tokens.check(request)
    if token is None:
        return 401, "unauthorisedrequest"
    needed = ("roster-demographics",) if collection == "demographics" else ("roster-core", "roster")
    wanted = {_SCOPE.format(version=version, name=name) for name in needed}
    return None if wanted & token.scopes else (403, "forbidden")
