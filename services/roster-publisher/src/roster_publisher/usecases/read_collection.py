"""Serve a collection page by page so that all pages of one pull agree with one another.

A request at offset 0 opens a pull; later offsets of the same query are served at its revision, by
whichever process they reach: the store says which pull is open, and it does so before the first
page has gone out. Where a page ended is remembered, so a continued page costs what the first one
cost. Source: blueprint, invariant 6. Writes pulls only.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from roster_common.errors import Retriable
from roster_publisher.domain.queries import CollectionQuery, Page, Pull
from roster_publisher.domain.sorting import Place
from roster_publisher.ports import Clock
from roster_publisher.ports.reading import Pulls, QueryTooLong, ReadsBusy, RosterReads

PULL_LIFE: Final = timedelta(hours=1)
# A pull that is opened again within that at the same revision is the one that is open.
_OPENED_AGAIN: Final = timedelta(minutes=1)
CHUNK_ROWS: Final = 2_000
# What is sorted without an index is sorted anew for every chunk, so there are fewer of them.
_SORTED_CHUNK_ROWS: Final = 10_000
_PULLS_KEPT: Final = 2_000
_ENDS_KEPT: Final = 2_000
_TOTALS_KEPT: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """What is asked: `query_hash` is over path and query without offset."""

    query: CollectionQuery
    query_hash: bytes
    limit: int
    offset: int
    pinned: int | None

    @property
    def chunk_rows(self) -> int:
        """Rows read at once."""
        return CHUNK_ROWS if self.query.sort is None else _SORTED_CHUNK_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A page to be sent: `chunks` yields UTF-8 texts of objects joined by commas."""

    revision: int
    total: int
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionGone:
    """The revision asked for is no longer whole."""

    oldest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionUnknown:
    """The revision asked for has not been published."""

    newest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentUnknown:
    """The grant sees no such parent of the sub-collection at the revision asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TookTooLong:
    """There is no index for the fields asked about, and looking at every row took too long."""

    fields: tuple[str, ...]
    within_s: float


_Total: TypeAlias = "asyncio.Future[int | None]"
_Key: TypeAlias = tuple[str, str, bytes, int | None]
Outcome: TypeAlias = Reading | RevisionGone | RevisionUnknown | ParentUnknown | TookTooLong


@dataclass(slots=True, kw_only=True)
class _Open:
    """A pull in this process; `ends` maps an offset to the place before it, offsets rising."""

    pull: Pull
    ends: OrderedDict[int, Place] = field(default_factory=OrderedDict)

    def is_still(self, revision: int, total: int, *, until: datetime) -> bool:
        """Whether it is what would be opened now, and lives `until` then."""
        pull = self.pull
        return (pull.revision, pull.total) == (revision, total) and pull.expires_at >= until

    def remember(self, offset: int, last: Place) -> None:
        self.ends[offset] = last
        if len(self.ends) > _ENDS_KEPT:
            self.ends.popitem(last=False)

    def nearest(self, offset: int) -> tuple[int, Place | None]:
        """The closest known place at or before `offset`."""
        if offset in self.ends:
            return offset, self.ends[offset]
        before = max((end for end in self.ends if end < offset), default=0)
        return before, self.ends.get(before)


class ReadCollection:
    """Pages of collections; keeps open pulls and totals in bounded memory."""

    def __init__(self, reads: RosterReads, pulls: Pulls, clock: Clock) -> None:
        self._reads = reads
        self._pulls = pulls
        self._clock = clock
        self._open: OrderedDict[_Key, _Open] = OrderedDict()
        self._totals: OrderedDict[tuple[CollectionQuery, int], _Total] = OrderedDict()

    async def __call__(self, request: PageRequest) -> Outcome:
        """The page asked for. Its chunks are read while they are sent; nothing stays locked."""
        try:
            return await self._read(request)
        except QueryTooLong as error:
            return TookTooLong(fields=request.query.unindexed, within_s=error.within_s)

    async def single(
        self, query: CollectionQuery, sourced_id: str, *, pinned: int | None
    ) -> bytes | RevisionGone | RevisionUnknown | None:
        """One object, of the revision that is asked for or of the newest; None if none is seen."""
        if pinned is not None and (refused := await self._refused(query, pinned)):
            return refused
        return await self._reads.single(query, sourced_id, revision=pinned)

    async def _refused(
        self, query: CollectionQuery, revision: int
    ) -> RevisionGone | RevisionUnknown | None:
        oldest, newest = await self._reads.revisions(query.grant.district_id)
        if revision > newest:
            return RevisionUnknown(newest=newest)
        return RevisionGone(oldest=oldest) if revision < oldest else None

    async def _read(self, request: PageRequest) -> Outcome:
        now = self._clock.now()
        if request.pinned is not None:
            return await self._pinned(request, request.pinned, now)
        if request.offset > 0:
            known = await self._known(request, now)
            if known is not None:
                # History outlives a pull, so its revision is still whole.
                return await self._continue(request, known)
            _, newest = await self._reads.revisions(request.query.grant.district_id)
            return await self._continue(request, await self._start(request, newest, now))
        wanted = min(request.limit, request.chunk_rows)
        first = await self._reads.current_page(request.query, limit=wanted)
        if first is None:
            return ParentUnknown()
        if first.rows < wanted:
            opened = await self._remember(request, first.revision, first.rows, now)
        else:
            started = await self._start(request, first.revision, now)
            if started is None:
                return ParentUnknown()
            opened = started
        return self._reading(request, opened, first)

    async def _pinned(self, request: PageRequest, revision: int, now: datetime) -> Outcome:
        if refused := await self._refused(request.query, revision):
            return refused
        # Every request says the revision, so there is nothing that another process must know.
        known = self._open.get(_key(request))
        if known is None:
            known = await self._start(request, revision, now)
        return await self._continue(request, known)

    async def _continue(self, request: PageRequest, known: _Open | None) -> Outcome:
        if known is None:
            return ParentUnknown()
        place, after = known.nearest(request.offset)
        skip = request.offset - place
        if skip > 0:
            found = await self._reads.place_at(
                request.query, revision=known.pull.revision, after=after, skip=skip
            )
            if found is None:
                return Reading(
                    revision=known.pull.revision, total=known.pull.total, chunks=_nothing()
                )
            after = found
        first = await self._reads.page_at(
            request.query,
            revision=known.pull.revision,
            after=after,
            limit=min(request.limit, request.chunk_rows),
        )
        return self._reading(request, known, first)

    def _reading(self, request: PageRequest, known: _Open, first: Page) -> Reading:
        return Reading(
            revision=known.pull.revision,
            total=known.pull.total,
            chunks=self._chunks(request, known, first),
        )

    async def _chunks(
        self, request: PageRequest, known: _Open, first: Page
    ) -> AsyncIterator[bytes]:
        page, sent = first, 0
        while page.rows:
            sent += page.rows
            if page.last is not None:
                known.remember(request.offset + sent, page.last)
            yield page.body
            wanted = min(request.limit - sent, request.chunk_rows)
            if wanted <= 0 or page.rows < request.chunk_rows or page.last is None:
                return
            page = await self._reads.page_at(
                request.query, revision=known.pull.revision, after=page.last, limit=wanted
            )

    async def _start(self, request: PageRequest, revision: int, now: datetime) -> _Open | None:
        """Open a pull; None when the parents are not seen, so those of an open pull are."""
        total = await self._total(request.query, revision)
        return None if total is None else await self._remember(request, revision, total, now)

    async def _remember(
        self, request: PageRequest, revision: int, total: int, now: datetime
    ) -> _Open:
        before = self._open.get(_key(request))
        if before is not None and before.is_still(revision, total, until=now + PULL_LIFE):
            return before
        pull = Pull(revision=revision, total=total, expires_at=now + PULL_LIFE + _OPENED_AGAIN)
        opened = self._keep(request, pull)
        # Who got fewer rows than asked for has all of them, and need not come again.
        goes_on = before is not None or total >= request.limit or request.offset > 0
        if goes_on and request.pinned is None:
            grant = request.query.grant
            await self._pulls.save(grant.district_id, grant.client_id, request.query_hash, pull)
        return opened

    def _keep(self, request: PageRequest, pull: Pull) -> _Open:
        opened = self._open[_key(request)] = _Open(pull=pull)
        self._open.move_to_end(_key(request))
        if len(self._open) > _PULLS_KEPT:
            self._open.popitem(last=False)
        return opened

    async def _known(self, request: PageRequest, now: datetime) -> _Open | None:
        """The pull that was opened last, here or by another process."""
        grant = request.query.grant
        pull = await self._pulls.load(
            grant.district_id, grant.client_id, request.query_hash, now=now
        )
        known = self._open.get(_key(request))
        if pull is None:
            return known if known is not None and known.pull.expires_at > now else None
        if known is not None and known.pull == pull:
            return known
        return self._keep(request, pull)

    async def _total(self, query: CollectionQuery, revision: int) -> int | None:
        """Counted once per query and revision, also when many ask at the same time."""
        query = replace(query, sort=None)  # in whatever order
        key = (query, revision)
        waiting = self._totals.get(key)
        if waiting is not None:
            return await asyncio.shield(waiting)
        future: _Total = asyncio.get_running_loop().create_future()
        self._totals[key] = future
        if len(self._totals) > _TOTALS_KEPT:
            self._totals.popitem(last=False)
        try:
            total = await self._reads.total(query, revision=revision)
        except BaseException as error:
            self._totals.pop(key, None)
            future.set_exception(_for_others(error))
            future.exception()  # read once, so that nobody waiting is no complaint
            raise
        future.set_result(total)
        return total


def _for_others(error: BaseException) -> Exception:
    """What those who waited for the same count are told."""
    match error:
        case QueryTooLong():
            return QueryTooLong(within_s=error.within_s)
        case ReadsBusy():
            return ReadsBusy("the count waited for got no turn")
        case _:
            return Retriable("the count waited for has failed")


def _key(request: PageRequest) -> _Key:
    grant = request.query.grant
    return grant.district_id, grant.client_id, request.query_hash, request.pinned


async def _nothing() -> AsyncIterator[bytes]:
    for nothing in list[bytes]():
        yield nothing


class UnsavedPulls:
    """`Pulls` that survive nothing: for reads that nobody goes on with after a restart."""

    async def load(
        self, district_id: str, client_id: str, query_hash: bytes, *, now: datetime
    ) -> Pull | None:
        """None is alive."""

    async def save(self, district_id: str, client_id: str, query_hash: bytes, pull: Pull) -> None:
        """Forget it."""
