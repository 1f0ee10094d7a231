"""OneRoster 1.2 and 1.1 rostering reads as a plain ASGI app: no framework, text in and out.

Why plain: the body is ready in the store, so anything between it and the socket only costs.
Answers GET only. Every error is the specification's own status object.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, TypeAlias, assert_never

import orjson
import structlog

from roster_common.errors import Retriable
from roster_common.runtime.correlation import accept_or_mint, correlation_id
from roster_publisher.domain.access import AgreementEnded, Grant
from roster_publisher.domain.queries import CollectionQuery, link_header
from roster_publisher.entrypoints.oneroster.callers import Callers
from roster_publisher.entrypoints.oneroster.discovery import discovery, is_discovery
from roster_publisher.entrypoints.oneroster.errors import (
    Fault,
    bad_request,
    broken,
    busy,
    forbidden,
    gone,
    not_found,
    only_reads,
    status_info,
    too_long,
)
from roster_publisher.entrypoints.oneroster.faces import V1P2, Face
from roster_publisher.entrypoints.oneroster.request import Asked, base_address, read_request
from roster_publisher.ports import Clock
from roster_publisher.ports.reading import QueryTooLong, RosterReads
from roster_publisher.usecases.read_collection import (
    ParentUnknown,
    ReadCollection,
    Reading,
    RevisionGone,
    RevisionUnknown,
    TookTooLong,
)
from roster_publisher.usecases.recognise_signature import RecogniseSignature
from roster_publisher.usecases.shape_bodies import ShapeBodies
from roster_publisher.usecases.tokens import RecogniseToken

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

logger = structlog.get_logger(__name__)

_JSON: Final = (b"content-type", b"application/json")
_ENDED: Final = "the agreement behind this grant has ended"


class OneRosterApp:
    """Mounted at the fixed base path of its face."""

    def __init__(
        self,
        *,
        recognise: RecogniseToken,
        collections: ReadCollection,
        reads: RosterReads,
        clock: Clock,
        public_url: str | None,
        hash_key: bytes | None,
        face: Face = V1P2,
        signatures: RecogniseSignature | None = None,
    ) -> None:
        """`signatures` None: nobody gets in by OAuth 1."""
        self._face = face
        self._callers = Callers(recognise, clock, public_url=public_url, signatures=signatures)
        self._collections = collections
        self._reads = reads
        self._shape = ShapeBodies(reads, face.wording, clock=clock, hash_key=hash_key)
        self._public_url = public_url

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request; an error before the body is a status object, later it cuts off."""
        if scope["type"] != "http":
            return
        message = accept_or_mint(correlation_id.get()) if self._face.warns else None
        answer = _Answer(send, message)
        try:
            await self._answer(dict(scope), answer)
        except Fault as fault:
            await answer.fault(fault)
        except AgreementEnded:
            if answer.started:
                raise
            await answer.fault(forbidden(_ENDED))
        except TimeoutError:
            if answer.started:
                raise
            logger.warning("oneroster_read_waited_in_vain")
            await answer.fault(busy())
        except Exception as error:
            if answer.started:
                raise
            retriable = isinstance(error, (Retriable, OSError))
            logger.error("oneroster_read_failed", error=type(error).__name__, retriable=retriable)
            await answer.fault(broken())

    async def _answer(self, scope: dict[str, Any], answer: "_Answer") -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if is_discovery(self._face, scope):
            base = base_address(scope, headers, self._public_url)
            await answer.whole(discovery(self._face.name, base), [])
            return
        token = await self._callers(scope, headers)
        if scope["method"] not in {"GET", "HEAD"}:
            raise only_reads()
        asked = read_request(self._face, scope, headers)
        if not token.token_scopes & self._face.scopes(asked.collection):
            raise forbidden("the token or grant carries no scope that opens this")
        base = base_address(scope, headers, self._public_url)
        if asked.sourced_id is not None:
            await self._single(asked, token.grant, base, answer)
        else:
            await self._collection(asked, token.grant, base, answer)

    async def _single(self, asked: Asked, grant: Grant, base: str, answer: "_Answer") -> None:
        query = CollectionQuery(grant=grant, collection=asked.collection)
        found = await self._collections.single(query, asked.sourced_id or "", pinned=asked.pinned)
        if isinstance(found, RevisionGone | RevisionUnknown):
            raise _no_revision(found)
        if found is None:
            raise not_found("there is no such object")
        shaped = await self._shaped(found, asked, grant, base)
        name = asked.collection.single.encode()
        closing = answer.warned(asked.warnings(grant))
        await answer.whole(b'{"%b":%b%b}' % (name, shaped, closing), [])

    async def _collection(self, asked: Asked, grant: Grant, base: str, answer: "_Answer") -> None:
        request = asked.page_of(grant)
        reading = await self._collections(request)
        match reading:
            case ParentUnknown():
                raise not_found("there is no such object to read this of")
            case RevisionGone() | RevisionUnknown():
                raise _no_revision(reading)
            case TookTooLong():
                raise too_long(reading.fields, reading.within_s)
            case Reading():
                pass
            case _:
                assert_never(reading)
        link = link_header(
            f"{base}/{asked.path}",
            asked.params,
            limit=request.limit,
            offset=request.offset,
            total=reading.total,
        )
        extra = [
            (b"x-total-count", str(reading.total).encode()),
            (b"x-roster-revision", str(reading.revision).encode()),
            (b"link", link.encode("latin-1")),
        ]
        opening = b'{"%b":[' % asked.collection.plural.encode()
        closing = b"]%b}" % answer.warned(asked.warnings(grant))
        chunks = self._shaped_chunks(reading.chunks, asked, grant, base)
        try:
            await answer.stream(opening, chunks, closing, extra)
        except QueryTooLong as error:
            if answer.started:
                raise
            raise too_long(request.query.unindexed, error.within_s) from error

    async def _shaped_chunks(
        self, chunks: AsyncIterator[bytes], asked: Asked, grant: Grant, base: str
    ) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield await self._shaped(chunk, asked, grant, base)

    async def _shaped(self, body: bytes, asked: Asked, grant: Grant, base: str) -> bytes:
        """Objects joined by commas as this grant and request see them, with whole addresses."""
        query = CollectionQuery(grant=grant, collection=asked.collection)
        return await self._shape(body, query, base=base, fields=asked.fields)


def _no_revision(asked: RevisionGone | RevisionUnknown) -> Fault:
    if isinstance(asked, RevisionGone):
        return gone(f"this revision is gone; the oldest kept is {asked.oldest}")
    return bad_request(f"this revision is not published; the newest is {asked.newest}")


class _Answer:
    """Sends one answer; knows whether it has begun. `message` is the request's id, said by 1.1."""

    def __init__(self, send: Send, message: str | None) -> None:
        self._send = send
        self._message = message
        self.started = False

    async def fault(self, fault: Fault) -> None:
        """An error answer."""
        await self.whole(fault.body(self._message), list(fault.headers), status=fault.http)

    def warned(self, warnings: Sequence[tuple[str, str]]) -> bytes:
        """What stands in a body beside its objects: nothing, or a comma and the warnings of 1.1."""
        if self._message is None or not warnings:
            return b""
        told = [
            status_info("success", "warning", minor, description)
            | {"imsx_messageRefIdentifier": self._message}
            for minor, description in warnings
        ]
        return b',"statusInfoSet":%b' % orjson.dumps(told)

    async def whole(self, body: bytes, extra: Headers, *, status: int = 200) -> None:
        """An answer whose length is known."""
        await self._start([_JSON, (b"content-length", str(len(body)).encode()), *extra], status)
        await self._send({"type": "http.response.body", "body": body})

    async def stream(
        self, opening: bytes, chunks: AsyncIterator[bytes], closing: bytes, extra: Headers
    ) -> None:
        """Chunks joined by commas. One chunk goes out whole; more are sent as they are read."""
        held: bytes | None = None
        first = opening
        async for chunk in chunks:
            if held is not None:
                if not self.started:
                    await self._start([_JSON, *extra], 200)
                body = first + held + b","
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
                first = b""
            held = chunk
        last = first + (held or b"") + closing
        if self.started:
            await self._send({"type": "http.response.body", "body": last})
        else:
            await self.whole(last, extra)

    async def _start(self, headers: Headers, status: int) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
