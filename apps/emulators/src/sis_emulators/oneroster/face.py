"""OneRoster 1.1 (OAuth 1.0a or OAuth 2) and 1.2 (OAuth 2 with scopes) at the standard paths."""

from dataclasses import replace

from starlette.requests import Request
from starlette.routing import Route

from sis_emulators.emulator import Face, House
from sis_emulators.rostering.dialect import Dialect
from sis_emulators.rostering.names import UuidNames
from sis_emulators.rostering.service import Authorise, RosterService
from sis_emulators.wire.signatures import SignatureCheck
from sis_emulators.wire.tokens import TokenIssuer, TokenRules

PRODUCT = "OneRoster SIS emulator"
OLD_BASE = "/ims/oneroster/v1p1"
NEW_BASE = "/ims/oneroster/rostering/v1p2"
TOKEN_PATH = "/oauth2/token"  # noqa: S105  # a path
_SCOPE = "https://purl.imsglobal.org/spec/or/{version}/scope/{name}.readonly"
_NAMES = ("roster-core", "roster", "roster-demographics")
SCOPES = frozenset(
    _SCOPE.format(version=version, name=name) for version in ("v1p1", "v1p2") for name in _NAMES
)


def face(house: House, *, revision_headers: bool, counts: bool, token_lifetime_s: int) -> Face:
    """The routes of both versions; see `Dialect` for `revision_headers` and `counts`."""
    rules = TokenRules(scopes=SCOPES, lifetime_s=token_lifetime_s)
    tokens = TokenIssuer(house.credentials, house.evidence, rules)
    signatures = SignatureCheck(house.credentials, house.evidence)
    names = UuidNames(house.office.district.uuid)
    new_dialect = Dialect(
        version="1.2", names=names, revision_headers=revision_headers, counts=counts
    )

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
            *served(OLD_BASE, replace(new_dialect, version="1.1"), old),
            *served(NEW_BASE, new_dialect, new),
        ],
        addresses={
            "tokenUrl": TOKEN_PATH,
            "oneRoster11Url": OLD_BASE,
            "oneRoster12Url": NEW_BASE,
        },
        names_of=lambda record: {"oneRoster": names.of(record)},
        expire_tokens=tokens.expire,
    )


def _opens(
    tokens: TokenIssuer, request: Request, version: str, collection: str
) -> tuple[int, str] | None:
    """Demographics have a scope of their own; the other roster scopes do not open them."""
    token = tokens.check(request)
    if token is None:
        return 401, "unauthorisedrequest"
    needed = ("roster-demographics",) if collection == "demographics" else ("roster-core", "roster")
    wanted = {_SCOPE.format(version=version, name=name) for name in needed}
    return None if wanted & token.scopes else (403, "forbidden")
