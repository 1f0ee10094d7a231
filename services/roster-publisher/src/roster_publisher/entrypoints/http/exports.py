"""Door of `GET /exports/oneroster.zip`: a vendor's roster as a CSV package. Source: ADR 0027."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Final, assert_never

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from roster_common.runtime.problems import Problem
from roster_publisher.domain.csv_layout import Mode, Version
from roster_publisher.domain.fragments import stamp_text
from roster_publisher.entrypoints.http.vendors import VendorDoor, busy
from roster_publisher.usecases.export_package import (
    ExportPackage,
    Package,
    PackageBroken,
    PackageRequest,
    StartAnew,
    files_of,
)
from roster_publisher.usecases.note_pulls import Noted

logger = structlog.get_logger(__name__)

NEXT_SINCE: Final = "x-next-since"
_WHY: Final = {
    "since_gone": "Deletions since then are no longer told",
    "view_changed": "What this client may see has changed since then",
}
_COME_AGAIN_S: Final = 60.0
# A caller that is gone without a word, or stopped reading, would hold its turn for ever.
_TAKEN_WITHIN_S: Final = 120.0


class PackageTurns:
    """How many packages this process sends at once; a client leaves half of them to others."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._of_one = max(1, at_once // 2)
        self._held: Counter[str] = Counter()

    @contextmanager
    def taken(self, client_id: str) -> Iterator[None]:
        """A turn of the client's. Raises the 429 problem when there is none for it."""
        if self._held.total() >= self._at_once or self._held[client_id] >= self._of_one:
            raise busy("packages", _COME_AGAIN_S)
        self._held[client_id] += 1
        try:
            yield
        finally:
            self._held[client_id] -= 1
            if not self._held[client_id]:
                del self._held[client_id]


def export_routes(
    vendor: VendorDoor,
    export: ExportPackage,
    *,
    at_once: int,
    taken_within_s: float = _TAKEN_WITHIN_S,
) -> APIRouter:
    """`GET /exports/oneroster.zip`. A package of which nothing is taken for so long breaks off."""
    router, turns = APIRouter(), PackageTurns(at_once)

    @router.get("/exports/oneroster.zip", summary="The roster as a OneRoster CSV package")
    async def package(
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
        version: Annotated[Version, Query()] = "1.2",
        mode: Annotated[Mode, Query()] = "bulk",
        since: Annotated[datetime | None, Query()] = None,
    ) -> StreamingResponse:
        """All files that the token's scopes open, of one revision, which `X-Roster-Revision` names.

        A delta tells what changed behind `since`: `X-Next-Since` of the package before. 400 for a
        delta without it, a bulk package with it, or one without zone; 410 when only a bulk package
        can say what happened since; 429 when too many are being sent. What cannot be told to its
        end is broken off: no zip then.
        """
        with ExitStack() as held:
            noted = held.enter_context(vendor.noting("export"))
            token = await vendor(authorization, noted)
            noted.what, noted.detail = "oneroster.zip", f"{version} {mode}"
            files = files_of(version, token.token_scopes)
            if not files:
                raise Problem(403, "scope_missing", "The token carries no scope that opens this")
            if (since is None) != (mode == "bulk") or not _is_moment(since):
                raise Problem(400, "bad_since", "A delta begins at `since`, a time with its zone")
            held.enter_context(turns.taken(token.grant.client_id))
            made = await export(
                PackageRequest(
                    grant=token.grant,
                    token_scopes=token.token_scopes,
                    version=version,
                    # Stamps are compared as texts too, which are in UTC.
                    since=None if since is None else since.astimezone(UTC),
                )
            )
            match made:
                case StartAnew(reason=reason):
                    raise Problem(410, reason, _WHY[reason], "Take a bulk package.")
                case Package():
                    noted.revision = made.revision
                    noted.entities = tuple(dict.fromkeys(f.collection.entity for f in files))
                    return _Answer(made, noted, held.pop_all(), taken_within_s=taken_within_s)
                case _:
                    assert_never(made)

    return router


def _is_moment(since: datetime | None) -> bool:
    """Whether it has a zone, and is in one of the years 1 to 9999 in UTC too."""
    if since is None:
        return True
    try:
        return since.tzinfo is not None and since.astimezone(UTC) == since
    except OverflowError:
        return False


class _Answer(StreamingResponse):
    """A package on its way. `held` (its note, its turn) ends with it, however that comes about:
    also when the caller is gone before the first byte.
    """

    def __init__(
        self, made: Package, noted: Noted, held: ExitStack, *, taken_within_s: float
    ) -> None:
        super().__init__(
            _counted(made, noted),
            media_type="application/zip",
            headers={
                "x-roster-revision": str(made.revision),
                NEXT_SINCE: stamp_text(made.next_since),
                "content-disposition": 'attachment; filename="oneroster.zip"',
            },
        )
        self._made = made
        self._noted = noted
        self._held = held
        self._taken_within_s = taken_within_s
        self._whole = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. The server ends the connection in the middle of an answer that raises."""
        with self._held:
            try:
                async with aclosing(self._made.chunks):
                    await super().__call__(scope, receive, send)
            except PackageBroken as broken:
                client_id = self._noted.of.client_id if self._noted.of is not None else None
                logger.warning("package_broken_off", client=client_id, reason=broken.reason)
                raise
            finally:
                if not self._whole:
                    self._noted.detail += " cut"

    async def stream_response(self, send: Send) -> None:
        """Send piece by piece, each within the time that a caller has to take it."""

        async def in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._taken_within_s):
                    await send(message)
            except TimeoutError:
                raise PackageBroken("not_taken") from None

        await super().stream_response(in_time)
        self._whole = True


async def _counted(made: Package, noted: Noted) -> AsyncIterator[bytes]:
    async for chunk in made.chunks:
        noted.status, noted.rows = 200, made.tally.records
        yield chunk
