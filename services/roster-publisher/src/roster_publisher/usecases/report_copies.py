"""Say what a vendor has of one person: records, fields, since when. Ids and names of fields only.

Of what has left the vendor's view or was deleted it says what was sent before, and that a tombstone
is out. Reads only, also once the agreement has ended. Source: ADR 0028.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from roster_publisher.domain.access import Grant
from roster_publisher.domain.change_feed import FED, Version, from_ms
from roster_publisher.domain.copies import SentField, VendorCopy, sent_fields, state_of
from roster_publisher.domain.fragments import HOST_MARK
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.records import Entity, Key
from roster_publisher.domain.v1p1 import v1p1_scopes
from roster_publisher.ports import Clock
from roster_publisher.ports.copies import CopyReads, LastPulls
from roster_publisher.ports.feed import ChangeFeed
from roster_publisher.ports.webhooks import Standings, Subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiesReport:
    """`told_at` is when a webhook last told the vendor anything; `pulled_at` is by entity."""

    grant: Grant
    in_force: bool
    told_at: datetime | None
    pulled_at: Mapping[Entity, datetime]
    copies: Sequence[VendorCopy]


class ReportCopies:
    """Puts the report together from the vendor's own view."""

    def __init__(
        self,
        reads: CopyReads,
        feed: ChangeFeed,
        pulls: LastPulls,
        subscriptions: Subscriptions,
        standings: Standings,
        clock: Clock,
    ) -> None:
        self._reads = reads
        self._feed = feed
        self._pulls = pulls
        self._subscriptions = subscriptions
        self._standings = standings
        self._clock = clock

    async def __call__(
        self, district_id: str, client_id: str, person_id: str
    ) -> CopiesReport | None:
        """The report; None for a client that the district does not have."""
        found = await self._reads.given(district_id, client_id)
        if found is None:
            return None
        grant, made_at = found
        keys = await self._reads.records_of(district_id, person_id)
        copies: list[VendorCopy] = []
        for collection in FED:
            if not grant.token_scopes & (collection.scopes | v1p1_scopes(collection)):
                continue
            ids = [key.sourced_id for key in keys if key.entity == collection.entity]
            if ids:
                query = CollectionQuery(grant=grant, collection=collection)
                copies += await self._of(query, ids, made_at)
        order = {key: place for place, key in enumerate(keys)}
        return CopiesReport(
            grant=grant,
            in_force=grant.is_in_force(self._clock.now()),
            told_at=await self._told_at(district_id, client_id),
            pulled_at=await self._pulls.last_pulls(district_id, client_id),
            copies=sorted(copies, key=lambda one: order[Key(one.entity, one.sourced_id)]),
        )

    async def _of(
        self, query: CollectionQuery, ids: Sequence[str], made_at: datetime
    ) -> Sequence[VendorCopy]:
        grant, entity = query.grant, query.collection.entity
        versions = await self._feed.versions(query, ids)
        there = await self._reads.presence(query, list(versions))
        gone = [one for one, version in versions.items() if version.status != "active"]
        whole = replace(query, grant=replace(grant, school_ids=None, rules=()))
        before = await self._feed.versions(whole, gone) if gone else {}
        return [
            VendorCopy(
                entity=entity,
                sourced_id=one,
                state=state_of(version.status, inside=one not in there or there[one].inside),
                since=max(there[one].since, made_at) if one in there else None,
                changed_at=from_ms(version.stamp_ms),
                fields=_fields(before.get(one, version), grant, entity),
            )
            for one, version in versions.items()
        ]

    async def _told_at(self, district_id: str, client_id: str) -> datetime | None:
        subscription = self._subscriptions.find(district_id, client_id)
        if subscription is None:
            return None
        return (await self._standings.of(subscription)).delivered_at


def _fields(version: Version, grant: Grant, entity: str) -> Sequence[SentField]:
    body = orjson.loads(version.body.replace(HOST_MARK.encode(), b""))
    return sent_fields(body, grant, entity)
