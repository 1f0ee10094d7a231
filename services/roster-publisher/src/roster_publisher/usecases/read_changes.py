"""Read a grant's change feed from a cursor on. Reads only; may run any time, twice.

Nothing is missed: commits of a district become visible in the order of their stamps, and whatever
changes while it is read stands further on. Source: blueprint, invariants 5 to 7; ADR 0025.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Final

from roster_publisher.domain.access import Grant
from roster_publisher.domain.change_feed import (
    Cursor,
    Spot,
    ToldChange,
    Version,
    encode,
    end_of,
    grant_changed,
    opened,
    shown_by,
    told,
)
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.records import PUBLISH_ORDER
from roster_publisher.ports.feed import ChangeFeed, Stretch
from roster_publisher.usecases.shape_bodies import ShapeBodies

_FEW: Final = 200
# A grant that sees little of a large district may get a short page: a request stays bounded.
_LOOKED_AT_MOST: Final = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesRequest:
    """At most `limit` changes and, but for a first one larger than that, `most_bytes` of them.

    `token_scopes` decide which collections are told; `base` is the address of the reads. With
    `until`, nothing is told that stands behind it, as if the page were full there.
    """

    grant: Grant
    token_scopes: frozenset[str]
    after: Cursor | None
    limit: int
    base: str
    most_bytes: int = 16 * 1024 * 1024
    until: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Changes in their order; `cursor` is where to go on, `has_more` whether to do so at once;
    `bulk_until` is when the district's last bulk ends or ended.
    """

    told: Sequence[ToldChange]
    cursor: Cursor
    has_more: bool
    revision: int
    bulk_until: datetime | None = None

    @property
    def next(self) -> str:
        """The cursor as text."""
        return encode(self.cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorGone:
    """Deletions behind the cursor are no longer told: the reader must start anew, at `restart`."""

    restart: Cursor
    newest_ms: int
    revision: int


@dataclass(slots=True, kw_only=True)
class _Page:
    """What is gathered; `cursor` moves with every spot that was looked at."""

    request: ChangesRequest
    cursor: Cursor
    told: list[ToldChange] = field(default_factory=list)
    size: int = 0
    looked: int = 0

    @property
    def left(self) -> int:
        return self.request.limit - len(self.told)

    def take(self, one: ToldChange) -> bool:
        """False when it no longer fits."""
        full = self.told and self.size + len(one.text) > self.request.most_bytes
        if full or not self.left:
            return False
        self.told.append(one)
        self.size += len(one.text)
        self.cursor = one.cursor
        return True


class ReadChanges:
    """Pages of a grant's change feed."""

    def __init__(self, feed: ChangeFeed, shape: ShapeBodies) -> None:
        self._feed = feed
        self._shape = shape

    async def __call__(self, request: ChangesRequest) -> Changes | CursorGone:
        """The next changes behind the cursor, or from the beginning without one.

        A cursor of another view begins anew, behind a change that says so.
        """
        collections = opened(request.token_scopes)
        shows = shown_by(request.grant, collections)
        queries = [CollectionQuery(grant=request.grant, collection=one) for one in collections]
        after = request.after or Cursor(shows=shows)
        stretch = await self._feed.after(queries, after.spot, few=request.limit <= _FEW)
        restart, newest = Cursor(shows=shows), stretch.newest_ms
        if after.shows != shows:
            said = [grant_changed(restart, newest)]
            return Changes(told=said, cursor=restart, has_more=True, revision=stretch.revision)
        if after.misses(stretch.purged_ms):
            return CursorGone(restart=restart, newest_ms=newest, revision=stretch.revision)
        if after.began_ms is None:
            after = replace(after, began_ms=newest)
        return await self._gather(_Page(request=request, cursor=after), queries, stretch)

    async def _gather(
        self, page: _Page, queries: Sequence[CollectionQuery], stretch: Stretch
    ) -> Changes:
        while True:
            spots = _up_to(page.request.until, stretch.spots)
            whole = await self._take(page, queries, spots) and len(spots) == len(stretch.spots)
            if whole and not stretch.full:
                # Behind all there is: what was published before is read, whatever it was.
                page.cursor = replace(page.cursor, spot=end_of(stretch.newest_ms))
            page.looked += len(stretch.spots)
            more = not whole or stretch.full
            if not more or not whole or not page.left or page.looked >= _LOOKED_AT_MOST:
                return Changes(
                    told=page.told,
                    cursor=page.cursor,
                    has_more=more,
                    revision=stretch.revision,
                    bulk_until=stretch.bulk_until,
                )
            few = page.looked < _FEW * 2 and page.request.limit <= _FEW
            stretch = await self._feed.after(queries, page.cursor.spot, few=few)

    async def _take(
        self, page: _Page, queries: Sequence[CollectionQuery], spots: Sequence[Spot]
    ) -> bool:
        """Take what stands at the spots; False when the page was full before their end."""
        done = 0
        while done < len(spots):
            if not page.left:
                return False
            some = spots[done : done + max(page.left, _FEW // 2)]
            for one in await self._told(page, queries, some):
                if not page.take(one):
                    return False
            page.cursor = replace(page.cursor, spot=some[-1])
            done += len(some)
        return True

    async def _told(
        self, page: _Page, queries: Sequence[CollectionQuery], spots: Sequence[Spot]
    ) -> Sequence[ToldChange]:
        """What stands at the spots, in their order; what has moved on does not."""
        by_entity = {query.collection.entity: query for query in queries}
        found: dict[Spot, ToldChange] = {}
        for order, some in groupby(sorted(spots, key=_order), key=_order):
            query = by_entity[PUBLISH_ORDER[order]]
            found |= await self._of_one(page, query, list(some))
        return [found[spot] for spot in spots if spot in found]

    async def _of_one(
        self, page: _Page, query: CollectionQuery, spots: Sequence[Spot]
    ) -> Mapping[Spot, ToldChange]:
        versions = await self._feed.versions(query, sorted({spot.sourced_id for spot in spots}))
        there = {
            spot: version
            for spot in spots
            if (version := versions.get(spot.sourced_id)) and version.stamp_ms == spot.stamp_ms
        }
        merged = {one.merged_into for one in there.values() if one.merged_into}
        # An id that stands for another one is named only to who sees it.
        standing = await self._feed.versions(query, sorted(merged)) if merged else {}
        bodies = await self._bodies(page, query, [*there.values(), *standing.values()])
        into = dict(zip(standing, bodies[len(there) :], strict=True))
        return {
            spot: told(
                query.collection,
                spot,
                replace(
                    version,
                    body=body,
                    merged_into=version.merged_into if version.merged_into in standing else None,
                    into=into.get(version.merged_into or ""),
                ),
                cursor=replace(page.cursor, spot=spot),
            )
            for (spot, version), body in zip(there.items(), bodies, strict=False)
        }

    async def _bodies(
        self, page: _Page, query: CollectionQuery, versions: Sequence[Version]
    ) -> Sequence[bytes]:
        return await self._shape.each([one.body for one in versions], query, base=page.request.base)


def _up_to(until: Cursor | None, spots: Sequence[Spot]) -> Sequence[Spot]:
    return spots if until is None else [spot for spot in spots if spot <= until.spot]


def _order(spot: Spot) -> int:
    return spot.order
