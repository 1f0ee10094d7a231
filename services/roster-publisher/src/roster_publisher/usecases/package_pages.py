"""Read what a package tells of a collection, page by page, at one revision. Reads only.

Bulk: what is active and whose references the package holds. Delta: what was written since, came or
went, and what cannot be told any more, or can again, because of what it points at.
Source: ADR 0027.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import orjson

from roster_publisher.domain.access import Grant
from roster_publisher.domain.csv_rows import ACTIVE, GonePart, Told
from roster_publisher.domain.filters import parse_filter
from roster_publisher.domain.fragments import stamp_text
from roster_publisher.domain.parts import Part, parts_of
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.sorting import Place
from roster_publisher.domain.views import Body, Stay
from roster_publisher.ports.packing import PackageReads
from roster_publisher.ports.reading import RosterReads
from roster_publisher.usecases.resolve_references import ResolveReferences
from roster_publisher.usecases.shape_bodies import ShapeBodies

_ROWS: Final = 2_000


class PackagePages:
    """Pages of one package. `stamp` is that of `revision`."""

    def __init__(
        self,
        reads: RosterReads,
        packages: PackageReads,
        shape: ShapeBodies,
        grant: Grant,
        *,
        since: datetime | None,
        revision: int,
        stamp: datetime,
    ) -> None:
        self._reads = reads
        self._packages = packages
        self._shape = shape
        self._grant = grant
        self._since = since
        self._revision = revision
        self._stamp = stamp_text(stamp)
        self._resolve = ResolveReferences(packages, grant, revision)

    async def of(
        self, query: CollectionQuery, *, with_parts: bool
    ) -> AsyncIterator[Sequence[Told]]:
        """All of the collection; `with_parts` for users, whose roles and profiles are wanted."""
        if self._since is None:
            async for page in self._pages(_where(query, "status='active'")):
                yield await self._told(query, page, with_parts=with_parts, again=False)
            return
        since = stamp_text(self._since)
        async for page in self._pages(_where(query, f"dateLastModified>'{since}'")):
            yield await self._told(query, page, with_parts=with_parts, again=False)
        older = replace(_where(query, f"dateLastModified<='{since}'"), touched_since=self._since)
        async for page in self._pages(older):
            yield await self._told(query, page, with_parts=with_parts, again=True)

    async def _pages(self, query: CollectionQuery) -> AsyncIterator[Sequence[Body]]:
        after: Place | None = None
        while True:
            page = await self._reads.page_at(
                query, revision=self._revision, after=after, limit=_ROWS
            )
            if page.rows:
                body = await self._shape(page.body, query, base="", fields=None)
                yield await asyncio.to_thread(orjson.loads, b"[%b]" % body)
            if page.rows < _ROWS or page.last is None:
                return
            after = page.last

    async def _told(
        self, query: CollectionQuery, page: Sequence[Body], *, with_parts: bool, again: bool
    ) -> Sequence[Told]:
        """`again`: told for what it points at, so now."""
        entity = query.collection.entity
        # Only a delta tells what went.
        asks = with_parts and self._since is not None
        had = [parts_of(body["sourcedId"], body) if asks else () for body in page]
        active = [body for body in page if body["status"] == ACTIVE]
        stands = dict(
            zip(
                (body["sourcedId"] for body in active),
                await self._resolve(entity, active),
                strict=True,
            )
        )
        gone = await self._gone(page) if asks else {}
        told = []
        for body, before in zip(page, had, strict=True):
            stamp = self._stamp if again else body["dateLastModified"]
            one = Told(body=body, stands=stands.get(body["sourcedId"], False), stamp=stamp)
            told.append(_with_parts(one, before, gone) if with_parts else one)
        return told

    async def _gone(self, users: Sequence[Body]) -> dict[str, Sequence[GonePart]]:
        """What the vendor may hold of parts that went: where it could see them."""
        assert self._since is not None  # noqa: S101 - only a delta tells deletions
        ids = [body["sourcedId"] for body in users]
        grant = self._grant
        found = await self._packages.gone_parts(
            grant.district_id, ids, since=self._since, revision=self._revision
        )
        if not found:
            return {}
        stays = {} if grant.is_whole else await self._reads.stays(grant, found)
        return {
            user_id: [
                self._as_agreed(one)
                for one in parts
                if self._was_seen(one)
                and (grant.is_whole or _was_there(stays.get(user_id, ()), one))
            ]
            for user_id, parts in found.items()
        }

    def _was_seen(self, one: GonePart) -> bool:
        if one.part.org_id is None:
            sign_ins = self._grant.drops("userProfiles.credentials", "user")
            return self._grant.allows("identifiers") and not sign_ins
        orgs = self._grant.visible_orgs
        return orgs is None or one.part.org_id in orgs

    def _as_agreed(self, one: GonePart) -> GonePart:
        """Without what the grant transforms: that it went is enough."""
        transformed = any(t.path.startswith("userProfiles") for t in self._grant.transforms)
        if one.part.org_id is not None or not transformed:
            return one
        return replace(one, part=replace(one.part, cells={}))


def _with_parts(told: Told, had: Iterable[Part], gone: Mapping[str, Iterable[GonePart]]) -> Told:
    """With its parts, and those that it `had`, or that are `gone`, and it has no more."""
    user_id = told.body["sourcedId"]
    parts = parts_of(user_id, told.body)
    lost = {one.part.part_id: (one.part, one.stamp) for one in gone.get(user_id, ())}
    lost |= {part.part_id: (part, told.stamp) for part in had}
    for part in parts:
        lost.pop(part.part_id, None)
    return replace(told, parts=parts, lost=lost)


def _was_there(stays: Sequence[Stay], one: GonePart) -> bool:
    """Whether the user had been in the view when the part went."""
    return any(since < one.revision for since, _ in stays)


def _where(query: CollectionQuery, asked: str) -> CollectionQuery:
    wanted = parse_filter(asked, query.collection.entity, query.grant)
    return replace(query, filter=wanted)
