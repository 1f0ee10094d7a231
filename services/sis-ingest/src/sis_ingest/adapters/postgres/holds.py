"""Holds, their items and what was spent, in PostgreSQL. Runs in the caller's transaction.

Every writer has the district's lock, so what is read here stays true until the commit.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from roster_common.holds import Decision, Limit
from sis_ingest.domain.changes import Cause, Change, Write
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import ENTITIES, Entity, id_space
from sis_ingest.domain.guards import SAMPLE, GuardKey, Hold
from sis_ingest.domain.identity import candidate_id
from sis_ingest.domain.records import to_bytes

# Purpose: what guards let through since a moment, but for one cause. Rows: up to 8. Primary key.
_SPENT: Final = """
SELECT entity, operation, sum(count) AS count FROM sis_ingest.spent
WHERE district_id = $1 AND source_id = $2 AND spent_at > $3
  AND cause_id IS DISTINCT FROM $4::uuid
GROUP BY entity, operation
"""

# Purpose: set what one cause spends. Rows: 1. Index: primary key.
_SPEND: Final = """
INSERT INTO sis_ingest.spent
    (district_id, source_id, entity, operation, cause_id, spent_at, count)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (district_id, source_id, entity, operation, cause_id)
DO UPDATE SET count = excluded.count, spent_at = excluded.spent_at
"""

# Purpose: forget what no window counts any more. Rows: few. Index: primary key.
_FORGET_SPENT: Final = """
DELETE FROM sis_ingest.spent
WHERE district_id = $1 AND source_id = $2 AND entity = $3 AND operation = $4 AND spent_at <= $5
"""

# Purpose: what a source has of an entity. Rows: 1. Index: primary key, all of the entity's rows.
_ACTIVE: Final = """
SELECT count(*) FROM sis_ingest.source_record
WHERE district_id = $1 AND source_id = $2 AND entity = $3 AND NOT deleted
"""

# Purpose: the open hold of a guard. Rows: 0 or 1. Index: hold_open.
_OPEN: Final = """
SELECT * FROM sis_ingest.hold
WHERE district_id = $1 AND source_id = $2 AND entity = $3 AND operation = $4 AND state = 'open'
"""

# Purpose: the hold of a guard that was opened last. Rows: 0 or 1. Small table.
_NEWEST: Final = """
SELECT * FROM sis_ingest.hold
WHERE district_id = $1 AND source_id = $2 AND entity = $3 AND operation = $4
ORDER BY created_at DESC, hold_id DESC LIMIT 1
"""

# Purpose: one hold. Rows: 0 or 1. Index: primary key.
_GET: Final = "SELECT * FROM sis_ingest.hold WHERE district_id = $1 AND hold_id = $2"

# Purpose: keep a hold as it stands. Rows: 1. Index: primary key.
_SAVE: Final = """
INSERT INTO sis_ingest.hold (district_id, hold_id, source_id, entity, operation, state, count,
    population, items_hash, approvals, approvals_needed, created_at, expires_at, delivery_id,
    correlation_id, origin, run_id, sample, reason, released, done_at, limit_count, limit_share)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
    $20, $21, $22, $23)
ON CONFLICT (district_id, hold_id) DO UPDATE SET
    state = excluded.state, count = excluded.count, population = excluded.population,
    items_hash = excluded.items_hash, approvals = excluded.approvals,
    approvals_needed = excluded.approvals_needed, expires_at = excluded.expires_at,
    sample = excluded.sample, reason = excluded.reason, released = excluded.released,
    done_at = excluded.done_at, limit_count = excluded.limit_count,
    limit_share = excluded.limit_share
"""

# Purpose: put changes into a hold; the newest of a record stays. Rows: one per change.
_PUT: Final = """
INSERT INTO sis_ingest.hold_item AS i (district_id, hold_id, external_id, data, content_hash,
    version, occurred_at, absent, delivery_id, correlation_id, origin)
SELECT $1, $2, n.* FROM unnest($3::text[], $4::jsonb[], $5::bytea[], $6::bigint[],
    $7::timestamptz[], $8::boolean[], $9::uuid[], $10::text[], $11::text[]) AS n
ON CONFLICT (district_id, hold_id, external_id) DO UPDATE SET
    data = excluded.data, content_hash = excluded.content_hash, version = excluded.version,
    occurred_at = excluded.occurred_at, absent = excluded.absent
WHERE excluded.occurred_at > i.occurred_at
"""

# Purpose: whether anything of a source waits in a hold. Rows: 1. Index: hold_waiting.
_ANY_WAITING: Final = """
SELECT EXISTS (SELECT FROM sis_ingest.hold
    WHERE district_id = $1 AND source_id = $2 AND done_at IS NULL)
"""

# Purpose: take what newer statements overtook out of holds, also out of approved ones that are
# not released yet. Rows: few. Indexes: hold_waiting, primary key of the items. A deletion that
# went through leaves together with its item.
_LEAVE: Final = """
DELETE FROM sis_ingest.hold_item i
USING sis_ingest.hold h,
    unnest($3::text[], $4::text[], $5::boolean[], $6::bigint[], $7::timestamptz[])
        AS w(entity, external_id, deleted, version, occurred_at)
WHERE h.district_id = $1 AND h.source_id = $2 AND h.done_at IS NULL
  AND i.district_id = $1 AND i.hold_id = h.hold_id
  AND w.entity = h.entity AND w.external_id = i.external_id
  AND CASE WHEN w.deleted AND h.operation = 'remove' THEN true
           WHEN w.version IS NOT NULL AND i.version IS NOT NULL THEN w.version >= i.version
           WHEN NOT w.deleted AND h.operation = 'add' THEN w.occurred_at >= i.occurred_at
           ELSE w.occurred_at > i.occurred_at END
RETURNING h.hold_id
"""

# Purpose: which records wait to be removed. Rows: few. Indexes: hold_waiting, items' primary key.
_LEAVING: Final = """
SELECT i.external_id FROM sis_ingest.hold h
JOIN sis_ingest.hold_item i ON i.district_id = $1 AND i.hold_id = h.hold_id
WHERE h.district_id = $1 AND h.source_id = $2 AND h.entity = $4 AND h.operation = 'remove'
  AND h.done_at IS NULL AND i.external_id = ANY($3::text[])
"""

# Purpose: forget removals of what is known by another id now. Rows, indexes: as _LEAVING.
_LET_GO: Final = """
DELETE FROM sis_ingest.hold_item i USING sis_ingest.hold h
WHERE h.district_id = $1 AND h.source_id = $2 AND h.entity = $4 AND h.operation = 'remove'
  AND h.done_at IS NULL AND i.district_id = $1 AND i.hold_id = h.hold_id
  AND i.external_id = ANY($3::text[])
RETURNING h.hold_id
"""

# Purpose: names of what is held and its content, for the hash. Rows: all items. Primary key.
_MARKS: Final = """
SELECT external_id, content_hash FROM sis_ingest.hold_item WHERE district_id = $1 AND hold_id = $2
"""

# Purpose: our ids of some items, the outside id where there is none yet. Rows: up to 20.
_SAMPLE: Final = """
SELECT c.entity_id, i.external_id FROM sis_ingest.hold_item i
LEFT JOIN sis_ingest.crosswalk c
  ON c.district_id = $1 AND c.source_id = $3 AND c.entity = $4
 AND c.external_id = i.external_id AND c.valid_to IS NULL
WHERE i.district_id = $1 AND i.hold_id = $2
ORDER BY i.external_id LIMIT $5
"""

# Purpose: the next items to do. Rows: one batch. Index: primary key.
_ITEMS: Final = """
SELECT * FROM sis_ingest.hold_item WHERE district_id = $1 AND hold_id = $2
ORDER BY external_id LIMIT $3
"""

# Purpose: forget items; all of them without names. Rows: as named. Index: primary key.
_DROP: Final = """
DELETE FROM sis_ingest.hold_item
WHERE district_id = $1 AND hold_id = $2 AND ($3::text[] IS NULL OR external_id = ANY($3))
"""


class PostgresHolds:
    """`ports.Holds`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def spent(
        self, place: Place, *, since: datetime, but_for: str | None = None
    ) -> Mapping[GuardKey, int]:
        """See the port."""
        rows = await self._driver.fetch(_SPENT, place.district_id, place.source_id, since, but_for)
        return {(ENTITIES[row["entity"]], row["operation"]): row["count"] for row in rows}

    async def spend(
        self,
        place: Place,
        key: GuardKey,
        count: int,
        *,
        cause_id: str,
        now: datetime,
        window_begins: datetime,
    ) -> None:
        """See the port."""
        names = (place.district_id, place.source_id, *key)
        await self._driver.execute(_FORGET_SPENT, *names, window_begins)
        await self._driver.execute(_SPEND, *names, cause_id, now, count)

    async def active(self, place: Place, entity: Entity) -> int:
        """See the port."""
        found = await self._driver.fetchval(_ACTIVE, place.district_id, place.source_id, entity)
        return int(found)

    async def open(self, place: Place, key: GuardKey) -> Hold | None:
        """See the port."""
        row = await self._driver.fetchrow(_OPEN, place.district_id, place.source_id, *key)
        return None if row is None else to_hold(row)

    async def newest(self, place: Place, key: GuardKey) -> Hold | None:
        """See the port."""
        row = await self._driver.fetchrow(_NEWEST, place.district_id, place.source_id, *key)
        return None if row is None else to_hold(row)

    async def get(self, district_id: str, hold_id: str) -> Hold | None:
        """See the port."""
        row = await self._driver.fetchrow(_GET, district_id, hold_id)
        return None if row is None else to_hold(row)

    async def save(self, hold: Hold) -> None:
        """See the port."""
        decision, cause = hold.decision, hold.cause
        await self._driver.execute(
            _SAVE,
            hold.place.district_id,
            hold.hold_id,
            hold.place.source_id,
            hold.entity,
            hold.operation,
            decision.state,
            hold.count,
            hold.population,
            decision.items_hash,
            list(decision.approvals),
            decision.approvals_needed,
            hold.created_at,
            decision.expires_at,
            cause.delivery_id,
            cause.correlation_id,
            cause.origin,
            hold.run_id,
            list(hold.sample),
            hold.reason,
            hold.released,
            hold.done_at,
            hold.threshold.count,
            hold.threshold.share,
        )

    async def put(self, hold: Hold, changes: Sequence[Change]) -> None:
        """See the port."""
        await self._driver.execute(
            _PUT,
            hold.place.district_id,
            hold.hold_id,
            [c.external_id for c in changes],
            [None if c.record is None else to_bytes(c.record).decode() for c in changes],
            [c.content_hash for c in changes],
            [c.version for c in changes],
            [c.occurred_at for c in changes],
            [c.absent for c in changes],
            [c.cause.delivery_id for c in changes],
            [c.cause.correlation_id for c in changes],
            [c.cause.origin for c in changes],
        )

    async def leave(self, place: Place, writes: Sequence[Write]) -> frozenset[str]:
        """See the port."""
        if not await self._driver.fetchval(_ANY_WAITING, place.district_id, place.source_id):
            return frozenset()
        rows = await self._driver.fetch(
            _LEAVE,
            place.district_id,
            place.source_id,
            [w.change.entity for w in writes],
            [w.change.external_id for w in writes],
            [w.known.deleted for w in writes],
            [w.known.version for w in writes],
            [w.known.occurred_at for w in writes],
        )
        return frozenset(str(row["hold_id"]) for row in rows)

    async def leaving(
        self, place: Place, entity: Entity, external_ids: Sequence[str]
    ) -> frozenset[str]:
        """See the port."""
        rows = await self._driver.fetch(
            _LEAVING, place.district_id, place.source_id, list(external_ids), entity
        )
        return frozenset(row["external_id"] for row in rows)

    async def let_go(
        self, place: Place, entity: Entity, external_ids: Sequence[str]
    ) -> frozenset[str]:
        """See the port."""
        rows = await self._driver.fetch(
            _LET_GO, place.district_id, place.source_id, list(external_ids), entity
        )
        return frozenset(str(row["hold_id"]) for row in rows)

    async def names(self, hold: Hold) -> Sequence[str]:
        """See the port."""
        return list(await self.marks(hold))

    async def marks(self, hold: Hold) -> Mapping[str, bytes]:
        """See the port."""
        rows = await self._driver.fetch(_MARKS, hold.place.district_id, hold.hold_id)
        return {row["external_id"]: row["content_hash"] for row in rows}

    async def sample(self, hold: Hold) -> tuple[str, ...]:
        """See the port."""
        place = hold.place
        rows = await self._driver.fetch(
            _SAMPLE,
            place.district_id,
            hold.hold_id,
            place.source_id,
            id_space(hold.entity),
            SAMPLE,
        )
        # An outside id that could not be ours may be an address, and is not told.
        ids = (row["entity_id"] or candidate_id(row["external_id"]) for row in rows)
        return tuple(one for one in ids if one is not None)

    async def items(self, hold: Hold, *, limit: int) -> Sequence[Change]:
        """See the port."""
        rows = await self._driver.fetch(_ITEMS, hold.place.district_id, hold.hold_id, limit)
        return [_change(hold, row) for row in rows]

    async def drop(self, hold: Hold, names: Sequence[str] | None = None) -> None:
        """See the port."""
        await self._driver.execute(
            _DROP, hold.place.district_id, hold.hold_id, None if names is None else list(names)
        )


def to_hold(row: Any) -> Hold:
    """A row of `hold` as the domain knows it."""
    return Hold(
        hold_id=str(row["hold_id"]),
        place=Place(district_id=row["district_id"], source_id=row["source_id"]),
        entity=ENTITIES[row["entity"]],
        operation=row["operation"],
        count=row["count"],
        population=row["population"],
        threshold=Limit(count=row["limit_count"], share=row["limit_share"]),
        decision=Decision(
            state=row["state"],
            items_hash=row["items_hash"],
            expires_at=row["expires_at"],
            approvals=tuple(row["approvals"]),
            approvals_needed=row["approvals_needed"],
        ),
        cause=_cause(row),
        run_id=None if row["run_id"] is None else str(row["run_id"]),
        created_at=row["created_at"],
        sample=tuple(row["sample"]),
        reason=row["reason"],
        released=row["released"],
        done_at=row["done_at"],
    )


def _change(hold: Hold, row: Any) -> Change:
    return Change(
        entity=hold.entity,
        external_id=row["external_id"],
        record=row["data"],
        content_hash=row["content_hash"],
        deleted=hold.operation == "remove",
        version=row["version"],
        occurred_at=row["occurred_at"],
        cause=_cause(row),
        absent=row["absent"],
    )


def _cause(row: Any) -> Cause:
    return Cause(
        correlation_id=row["correlation_id"],
        delivery_id=str(row["delivery_id"]),
        origin=row["origin"],
    )
