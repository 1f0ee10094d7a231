"""A vendor's platform: an OAuth 2 client that reads rosters by OneRoster 1.2 pages.

Source: OneRoster 1.2 REST binding; RFC 6749 section 4.4; RFC 8288 for `Link`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2

from homeroom.errors import CommandFailed
from homeroom.patience import ONCE, Patience, PatientClient

BASE_PATH = "/ims/oneroster/rostering/v1p2"
SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
SCOPES = (f"{SCOPE}roster.readonly", f"{SCOPE}roster-demographics.readonly")
TIMEOUT_S = 30.0

NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="next"')

Json = dict[str, object]


@dataclass(slots=True, kw_only=True)
class Vendor:
    """Reads with one client's credentials; a token is fetched once and again after a 401.

    Each call may raise `httpx2.HTTPError`, or CommandFailed for an answer that breaks the protocol.
    """

    url: str
    client_id: str
    secret: str
    scopes: tuple[str, ...] = SCOPES
    patience: Patience = ONCE
    requests: int = 0
    _token: str | None = None
    _http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self._http = PatientClient(self.patience, base_url=self.url, timeout=TIMEOUT_S)

    def close(self) -> None:
        self._http.close()

    def total(self, collection: str) -> int:
        """How many `collection` has for this client, from `X-Total-Count` of a page of one."""
        return _total(self._get(f"{BASE_PATH}/{collection}?limit=1"), collection)

    def ids(self, collection: str, *, limit: int = 1000) -> Iterator[str]:
        """Yield the id of every row."""
        return (str(row["sourcedId"]) for row in self.rows(collection, limit=limit))

    def rows(self, collection: str, *, limit: int = 1000) -> Iterator[Json]:
        """Yield every row, page by page along `Link`, as the platforms do it."""
        address: str | None = f"{BASE_PATH}/{collection}?limit={limit}"
        while address is not None:
            page = self._get(address)
            yield from _rows(page, collection)
            following = NEXT.search(page.headers.get("link", ""))
            address = following.group(1) if following else None

    def some(self, collection: str, *, query: str = "") -> list[Json]:
        """Return one page of `collection`; `query` is added as it is, such as `limit=5`."""
        return _rows(self._get(f"{BASE_PATH}/{collection}?{query}"), collection)

    def revision(self) -> str:
        """Return the revision of the roster that is served now."""
        return str(self._get(f"{BASE_PATH}/orgs?limit=1").headers["x-roster-revision"])

    def one(self, collection: str, key: str, sourced_id: str) -> Json | None:
        """Return one object by its id, or None while it is not there (404)."""
        answer = self._get(f"{BASE_PATH}/{collection}/{sourced_id}", missing=True)
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None
        found = answer.json()[key]
        if not isinstance(found, dict):
            raise CommandFailed(f"GET {collection}/… answered without an object {key!r}")
        return found

    def _get(self, address: str, *, missing: bool = False) -> httpx2.Response:
        answer = self._send(address)
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            self._token = None
            answer = self._send(address)
        if not (missing and answer.status_code == httpx2.codes.NOT_FOUND):
            answer.raise_for_status()
        return answer

    def _send(self, address: str) -> httpx2.Response:
        self.requests += 1
        token = self._token or self._fetch_token()
        return self._http.get(address, headers={"Authorization": f"Bearer {token}"})

    def _fetch_token(self) -> str:
        answer = self._http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials", "scope": " ".join(self.scopes)},
            auth=(self.client_id, self.secret),
        )
        answer.raise_for_status()
        self._token = str(answer.json()["access_token"])
        return self._token


def _total(answer: httpx2.Response, collection: str) -> int:
    counted = answer.headers.get("x-total-count", "")
    if not counted.isdigit():
        raise CommandFailed(f"{collection} came without a numeric X-Total-Count")
    return int(counted)


def _rows(answer: httpx2.Response, collection: str) -> list[Json]:
    key = "users" if collection in {"students", "teachers"} else collection
    rows = answer.json().get(key)
    if not isinstance(rows, list):
        raise CommandFailed(f"{collection} came without its list {key!r}")
    return rows
