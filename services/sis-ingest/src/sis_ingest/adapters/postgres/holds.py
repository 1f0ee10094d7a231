"""Holds and their items in PostgreSQL. Runs in the caller's transaction.

Every writer has the district's lock, so what is read here stays true until the commit.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from sis_ingest.adapters.postgres.hold_rows import to_change, to_hold
from sis_ingest.domain.changes import Change, Write
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity, id_space
from sis_ingest.domain.guards import SAMPLE, GuardKey, Hold
from sis_ingest.domain.identity import candidate_id
from sis_ingest.domain.records import to_bytes

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
        return [to_change(hold, row) for row in rows]

    async def drop(self, hold: Hold, names: Sequence[str] | None = None) -> None:
        """See the port."""
        await self._driver.execute(
            _DROP, hold.place.district_id, hold.hold_id, None if names is None else list(names)
        )
