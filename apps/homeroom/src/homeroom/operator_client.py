"""An operator's calls to the services, over HTTP with an operator token.

Speaks the services' public pages and nothing else. Never prints the token.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from homeroom.errors import CommandFailed, ServiceAway, ServiceRefused
from homeroom.layout import Ports
from homeroom.patience import AWAY, ONCE, Patience, PatientClient
from homeroom.services import ROSTER_PUBLISHER, SIS_INGEST, TICKET_EVENTS, Service
from homeroom.settings import LOCAL

TIMEOUT_S = 10.0
UPLOAD_TIMEOUT_S = 120.0
# What reads or tells a whole district, or asks a source that may be slow.
LONG_S = 600.0
CHUNK_BYTES = 256 * 1024

Page = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class OperatorClient:
    """Calls the services of one installation. Every call may raise `httpx2.HTTPError`.

    Without a token only the pages that need none answer. `address` is where a service is, with
    `{service}` and `{port}` in it.
    """

    ports: Ports
    token: str
    address: str = LOCAL
    patience: Patience = ONCE
    _http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self._http = PatientClient(self.patience, headers=headers, timeout=TIMEOUT_S)

    def close(self) -> None:
        self._http.close()

    def ready(self, service: Service) -> tuple[bool, Page]:
        """Return whether the service calls itself ready, and its page of dependencies."""
        answer = self._http.get(self._url(service, "/readyz"))
        return answer.is_success, _object(answer)

    def status(self, service: Service, district: str) -> Page:
        """Return the service's own counts, where it can tell of one district; role viewer."""
        query = {"district": district}
        return self._page(self._http.get(self._url(service, "/status"), params=query))

    def upload(
        self,
        source: str,
        file: Path,
        *,
        on_bytes: Callable[[int], None],
        as_of: str | None = None,
        dry_run: bool = False,
    ) -> Page:
        """Post a OneRoster zip as a snapshot of `source`; needs the role operator.

        `as_of` is the moment the file speaks of, by default now; a dry run changes nothing.
        Returns `{"runId", "correlationId", …}` as soon as the file is safe. `on_bytes` gets the
        bytes sent so far.
        """
        answer = self._http.post(
            self._url(SIS_INGEST, f"/snapshots/{quote(source, safe='')}"),
            params={
                **({} if as_of is None else {"asOf": as_of}),
                **({"dryRun": "true"} if dry_run else {}),
            },
            content=_Chunks(file, on_bytes),
            headers={
                "content-type": "application/zip",
                "content-length": str(file.stat().st_size),
            },
            timeout=UPLOAD_TIMEOUT_S,
        )
        return self._page(answer)

    def run(self, run_id: str) -> Page:
        """Return the report of a snapshot run, complete or under way."""
        return self._page(
            self._http.get(self._url(SIS_INGEST, f"/snapshots/{quote(run_id, safe='')}"))
        )

    def device_requests(self, *, person_id: str | None = None) -> list[Page]:
        """Return the requests for devices, of one person or of all, newest first (first page)."""
        query = {} if person_id is None else {"personId": person_id}
        page = self._page(
            self._http.get(self._url(TICKET_EVENTS, "/device-requests"), params=query)
        )
        requests: list[Page] = page["deviceRequests"]
        return requests

    def offers(self, service: Service, path: str) -> bool:
        """Return whether the service's own description names this page."""
        return path in self._page(self._http.get(self._url(service, "/openapi.json")))["paths"]

    def register_devices(self, district: str, table: bytes) -> Page:
        """Post a CSV table of devices; needs the role operator. May run twice."""
        answer = self._http.post(
            self._url(TICKET_EVENTS, "/assets"),
            params={"district": district},
            content=table,
            headers={"content-type": "text/csv"},
            timeout=UPLOAD_TIMEOUT_S,
        )
        return self._page(answer)

    def read(self, service: Service, path: str, **query: str | int) -> Page:
        """Return any page of a service that a viewer may read."""
        return self._page(self._http.get(self._url(service, path), params=query))

    def decide(
        self, service: Service, path: str, body: Page, *, timeout_s: float = TIMEOUT_S
    ) -> Page:
        """Post what a person decides or wants: of holds, plans and ids it needs an approver."""
        url = self._url(service, path)
        return self._page(self._http.post(url, json=body, timeout=timeout_s))

    def examine(self, source: str, *, repair: bool = False) -> Page:
        """Ask a source what is well with it, after a repair if wanted; needs the role operator.

        sis-ingest asks it now, with its own patience. May run twice.
        """
        at = self._url(SIS_INGEST, f"/sources/{quote(source, safe='')}")
        if repair:
            return self._page(self._http.post(f"{at}/repair", json={}, timeout=LONG_S))
        return self._page(self._http.get(f"{at}/examine", timeout=LONG_S))

    def flip(self, body: Page, *, dry_run: bool = False) -> Page:
        """Say which source speaks for a place; needs the role approver. May run twice."""
        answer = self._http.put(
            self._url(SIS_INGEST, "/authority"),
            params={"dryRun": "true"} if dry_run else {},
            json=body,
            timeout=LONG_S,
        )
        return self._page(answer)

    def republish(self, service: Service, district: str) -> Page:
        """Make the service say all it knows of a district once more; needs the role admin."""
        if service not in {SIS_INGEST, ROSTER_PUBLISHER}:
            raise CommandFailed(f"{service.name} publishes no state that could be repeated")
        answer = self._http.post(
            self._url(service, "/republish"),
            params={"district": district},
            timeout=LONG_S,
        )
        return self._page(answer)

    def _url(self, service: Service, path: str) -> str:
        port = str(self.ports.of(service.offset))
        at = self.address.replace("{service}", service.name).replace("{port}", port)
        return at.rstrip("/") + path

    def _page(self, answer: httpx2.Response) -> Page:
        if answer.is_error:
            raise _failure(answer)
        return _object(answer)


def _object(answer: httpx2.Response) -> Page:
    try:
        page = answer.json()
    except ValueError:
        page = None
    if not isinstance(page, dict):
        raise CommandFailed(f"{_where(answer)}, which is no page of Homeroom")
    return page


def _failure(answer: httpx2.Response) -> CommandFailed:
    """Put a problem document (RFC 9457) into one line; it holds fields and codes, never values."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    said = problem.get("detail") or problem.get("title") or ""
    fields = ", ".join(map(_fault, problem.get("errors") or ()))
    text = f"{_where(answer)}: {said}{f' ({fields})' if fields else ''}".removesuffix(": ")
    if answer.status_code in AWAY:
        return ServiceAway(text)
    return ServiceRefused(text, status=answer.status_code, code=str(problem.get("code") or ""))


def _fault(error: Page) -> str:
    """Write one fault of the input: where, and the code for what."""
    parts = (str(error.get(name) or "") for name in ("field", "message"))
    return ": ".join(filter(None, parts))


def _where(answer: httpx2.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}"


@dataclass(frozen=True, slots=True)
class _Chunks:
    """The bytes of a file, from its beginning each time they are asked for: uploads repeat."""

    file: Path
    on_bytes: Callable[[int], None]

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        with self.file.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                yield chunk
                sent += len(chunk)
                self.on_bytes(sent)
