"""OneRoster 1.2 and 1.1 rostering reads as a plain ASGI app: no framework, text in and out.

Why plain: the body is ready in the store, so anything between it and the socket only costs.
Answers GET only. Every error is the specification's own status object.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias, assert_never

import structlog

from roster_common.errors import Retriable
from roster_common.runtime.correlation import accept_or_mint, correlation_id
from roster_publisher.domain.access import AccessToken, AgreementEnded, Grant
from roster_publisher.domain.audit import told_path, told_query
from roster_publisher.domain.queries import CollectionQuery, link_header
from roster_publisher.entrypoints.oneroster.answer import Answer, Message, Send
from roster_publisher.entrypoints.oneroster.callers import Caller, Callers
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
    too_long,
)
from roster_publisher.entrypoints.oneroster.faces import V1P2, Face
from roster_publisher.entrypoints.oneroster.request import Asked, base_address, read_request
from roster_publisher.ports import Clock
from roster_publisher.ports.reading import QueryTooLong, ReadsBusy, RosterReads
from roster_publisher.usecases.note_pulls import Noted, NotePulls
from roster_publisher.usecases.pace_callers import PaceCallers
from roster_publisher.usecases.read_collection import (
    PageRequest,
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

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]

logger = structlog.get_logger(__name__)

_ENDED: Final = "the agreement behind this grant has ended"
# What a read waited for may be free again after that.
_BUSY_S: Final = 5


class OneRosterApp:
    """Mounted at the fixed base path of its face."""

    def __init__(
        self,
        *,
        recognise: RecogniseToken,
        collections: ReadCollection,
        reads: RosterReads,
        clock: Clock,
        pace: PaceCallers,
        notes: NotePulls,
        public_url: str | None,
        hash_key: bytes | None,
        face: Face = V1P2,
        signatures: RecogniseSignature | None = None,
    ) -> None:
        """`signatures` None: nobody gets in by OAuth 1."""
        self._face = face
        self._callers = Callers(
            recognise, clock, pace, public_url=public_url, signatures=signatures
        )
        self._collections = collections
        self._reads = reads
        self._shape = ShapeBodies(reads, face.wording, clock=clock, hash_key=hash_key)
        self._clock = clock
        self._notes = notes
        self._public_url = public_url

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request; an error before the body is a status object, later it cuts off."""
        if scope["type"] == "http":
            await self._serve(scope, send, self._notes.begin(self._face.door), None)

    async def answer_as(self, access: AccessToken, scope: Scope, send: Send, *, by: str) -> None:
        """Answer a read as the vendor behind `access` would get it, to the operator `by`."""
        noted = self._notes.begin("preview")
        noted.of, noted.by = access.grant, by
        await self._serve(scope, send, noted, Caller(access=access, still=_always))

    async def _serve(self, scope: Scope, send: Send, noted: Noted, caller: Caller | None) -> None:
        message = accept_or_mint(correlation_id.get()) if self._face.warns else None
        answer = Answer(send, message, noted)
        try:
            await self._answer(dict(scope), answer, caller)
        except Exception as error:
            if answer.started:
                noted.detail = f"{noted.detail} cut".lstrip()
                if isinstance(error, Fault):
                    raise CutOffError(error.description) from error
                raise
            await answer.fault(_fault_of(error))
        finally:
            self._notes.end(noted)

    async def _answer(self, scope: dict[str, Any], answer: Answer, caller: Caller | None) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if is_discovery(self._face, scope):
            base = base_address(scope, headers, self._public_url)
            await answer.whole(discovery(self._face.name, base), [])
            return
        caller = caller or await self._callers(scope, headers, answer.noted)
        if not caller.grant.is_in_force(self._clock.now()):
            raise forbidden(_ENDED)
        if scope["method"] not in {"GET", "HEAD"}:
            raise only_reads()
        asked = read_request(self._face, scope, headers)
        if not caller.access.token_scopes & self._face.scopes(asked.collection):
            raise forbidden("the token or grant carries no scope that opens this")
        base = base_address(scope, headers, self._public_url)
        if asked.sourced_id is not None:
            await self._single(asked, caller.grant, base, answer)
        else:
            await self._collection(asked, caller, base, answer)

    async def _single(self, asked: Asked, grant: Grant, base: str, answer: Answer) -> None:
        query = CollectionQuery(grant=grant, collection=asked.collection)
        noted = answer.noted
        noted.what, noted.revision = asked.collection.path + "/{id}", asked.pinned
        found = await self._collections.single(query, asked.sourced_id or "", pinned=asked.pinned)
        if isinstance(found, RevisionGone | RevisionUnknown):
            raise _no_revision(found)
        if found is None:
            raise not_found("there is no such object")
        noted.what = told_path(f"{asked.collection.path}/{{}}", [asked.sourced_id or ""])
        noted.rows, noted.entities = 1, (asked.collection.entity,)
        shaped = await self._shaped(found, asked, grant, base)
        name = asked.collection.single.encode()
        closing = answer.warned(asked.warnings(grant))
        await answer.whole(b'{"%b":%b%b}' % (name, shaped, closing), [])

    async def _collection(self, asked: Asked, caller: Caller, base: str, answer: Answer) -> None:
        grant, noted = caller.grant, answer.noted
        noted.what = asked.collection.path.format(*("{id}" for _ in asked.parents))
        request = asked.page_of(grant)
        noted.detail = _told(asked, request)
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
        noted.what = told_path(asked.collection.path, (one.sourced_id for one in asked.parents))
        noted.entities, noted.revision = (asked.collection.entity,), reading.revision
        noted.rows = max(0, min(request.limit, reading.total - request.offset))
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
        chunks = self._shaped_chunks(reading.chunks, asked, caller, base)
        try:
            await answer.stream(opening, chunks, closing, extra)
        except QueryTooLong as error:
            if answer.started:
                raise
            raise too_long(request.query.unindexed, error.within_s) from error

    async def _shaped_chunks(
        self, chunks: AsyncIterator[bytes], asked: Asked, caller: Caller, base: str
    ) -> AsyncIterator[bytes]:
        begun = False
        async for chunk in chunks:
            if begun and not await caller.still():
                raise forbidden("what was let in has ended or changed meanwhile")
            begun = True
            yield await self._shaped(chunk, asked, caller.grant, base)

    async def _shaped(self, body: bytes, asked: Asked, grant: Grant, base: str) -> bytes:
        """Objects joined by commas as this grant and request see them, with whole addresses."""
        query = CollectionQuery(grant=grant, collection=asked.collection)
        return await self._shape(body, query, base=base, fields=asked.fields)


def _no_revision(asked: RevisionGone | RevisionUnknown) -> Fault:
    if isinstance(asked, RevisionGone):
        return gone(f"this revision is gone; the oldest kept is {asked.oldest}")
    return bad_request(f"this revision is not published; the newest is {asked.newest}")


class CutOffError(Exception):
    """An answer that was under way must not go on; the server breaks the connection off."""


async def _always() -> bool:
    return True


def _told(asked: Asked, request: PageRequest) -> str:
    return told_query(
        limit=request.limit,
        offset=request.offset,
        asked=request.query.filter,
        sort=request.query.sort,
        fields=asked.fields,
    )


def _fault_of(error: Exception) -> Fault:
    match error:
        case Fault():
            return error
        case AgreementEnded():
            return forbidden(_ENDED)
        case ReadsBusy() | TimeoutError():
            logger.warning("oneroster_read_waited_in_vain")
            return busy(_BUSY_S)
        case _:
            retriable = isinstance(error, (Retriable, OSError))
            logger.error("oneroster_read_failed", error=type(error).__name__, retriable=retriable)
            return broken()
