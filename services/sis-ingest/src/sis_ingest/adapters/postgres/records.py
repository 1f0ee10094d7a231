"""Source records and resolved records in PostgreSQL. Runs in the caller's transaction.

Keys of a batch are found as in crosswalk.py: by a LATERAL select, one look in the index for each.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from sis_ingest.domain.changes import ChangeKey, Known, Write
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import ENTITIES, Entity
from sis_ingest.domain.match_keys import match_keys
from sis_ingest.domain.publish import Resolved, ResolvedKey
from sis_ingest.domain.records import to_bytes

# Purpose: what we hold of a batch. Rows: up to one per key. Index: primary key.
_KNOWN: Final = """
SELECT k.entity, k.external_id, r.*
FROM unnest($3::text[], $4::text[]) AS k(entity, external_id)
CROSS JOIN LATERAL (
    SELECT content_hash, deleted, version, occurred_at FROM sis_ingest.source_record
    WHERE district_id = $1 AND source_id = $2 AND entity = k.entity
      AND external_id = k.external_id OFFSET 0) AS r
"""

# Purpose: when collections were last stated as a whole. Rows: up to 7. Index: primary key.
_AS_OF: Final = """
SELECT entity, as_of FROM sis_ingest.source_statement WHERE district_id = $1 AND source_id = $2
"""

# Purpose: store what the source said. Rows: one per record. Index: primary key.
# The hash of the row of a file stays as long as the content does.
_WRITE: Final = """
INSERT INTO sis_ingest.source_record AS r
    (district_id, source_id, entity, external_id, data, content_hash, version, occurred_at,
     deleted, delivery_id, raw_hash)
SELECT $1, $2, w.* FROM unnest($3::text[], $4::text[], $5::jsonb[], $6::bytea[], $7::bigint[],
    $8::timestamptz[], $9::boolean[], $10::uuid[], $11::bytea[])
    AS w(entity, external_id, data, content_hash, version, occurred_at, deleted, delivery_id,
         raw_hash)
ON CONFLICT (district_id, source_id, entity, external_id) DO UPDATE SET
    data = coalesce(excluded.data, r.data), content_hash = excluded.content_hash,
    version = excluded.version, occurred_at = excluded.occurred_at,
    deleted = excluded.deleted, delivery_id = excluded.delivery_id,
    raw_hash = CASE WHEN excluded.content_hash = r.content_hash
                    THEN coalesce(excluded.raw_hash, r.raw_hash) ELSE excluded.raw_hash END
"""

# Purpose: the resolved records before a batch. Rows: up to one per key. Index: primary key.
_RESOLVED: Final = """
SELECT k.entity, k.entity_id, r.*
FROM unnest($2::text[], $3::text[]) AS k(entity, entity_id)
CROSS JOIN LATERAL (
    SELECT data, content_hash, deleted, correlation_id, told FROM sis_ingest.resolved_record
    WHERE district_id = $1 AND entity = k.entity AND entity_id = k.entity_id OFFSET 0) AS r
"""

# Purpose: store resolved records that changed. Rows: one per record. Index: primary key.
_WRITE_RESOLVED: Final = """
INSERT INTO sis_ingest.resolved_record AS r
    (district_id, entity, entity_id, data, content_hash, deleted, correlation_id, state_id,
     local_id, email, name_key, told, changed_at, revision)
SELECT $1, w.*, $13, 1
FROM unnest($2::text[], $3::text[], $4::jsonb[], $5::bytea[], $6::boolean[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[])
    AS w(entity, entity_id, data, content_hash, deleted, correlation_id, state_id, local_id, email,
         name_key, told)
ON CONFLICT (district_id, entity, entity_id) DO UPDATE SET
    data = excluded.data, content_hash = excluded.content_hash,
    deleted = excluded.deleted, revision = r.revision + 1,
    correlation_id = excluded.correlation_id, changed_at = excluded.changed_at,
    state_id = excluded.state_id, local_id = excluded.local_id, email = excluded.email,
    name_key = excluded.name_key, told = excluded.told
"""

# Purpose: remember what a delivery changed. Rows: one per correlation and entity.
_EFFECTS: Final = """
INSERT INTO sis_ingest.record_effect (district_id, correlation_id, entity, first_id, records, at)
SELECT $1, e.*, $6 FROM unnest($2::text[], $3::text[], $4::text[], $5::int[])
    AS e(correlation_id, entity, first_id, records)
"""

# Purpose: walk what a district was told of by key. Rows: one page. Index: primary key.
_RESOLVED_AFTER: Final = """
SELECT entity, entity_id, data, content_hash, deleted, correlation_id, told
FROM sis_ingest.resolved_record
WHERE district_id = $1 AND (entity, entity_id) > ($2, $3) AND told
ORDER BY entity, entity_id LIMIT $4
"""

# Purpose: how many records of an entity others know. Rows: 1. Index: primary key, all of them.
_LIVING: Final = """
SELECT count(*) FROM sis_ingest.resolved_record
WHERE district_id = $1 AND entity = $2 AND NOT deleted
"""

# Purpose: walk an entity's resolved records by id. Rows: one page. Index: primary key.
_OF_ENTITY: Final = """
SELECT entity, entity_id, data, content_hash, deleted, correlation_id, told
FROM sis_ingest.resolved_record
WHERE district_id = $1 AND entity = $2 AND entity_id > $3
ORDER BY entity_id LIMIT $4
"""

# Purpose: how many records a weighing reads. Rows: 1. Index: primary key, the whole district once.
_COUNT: Final = "SELECT count(*) FROM sis_ingest.resolved_record WHERE district_id = $1"


class PostgresRecords:
    """`ports.Records`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def known(self, place: Place, keys: Sequence[ChangeKey]) -> Mapping[ChangeKey, Known]:
        """See the port."""
        rows = await self._driver.fetch(
            _KNOWN, place.district_id, place.source_id, [k[0] for k in keys], [k[1] for k in keys]
        )
        return {
            (ENTITIES[row["entity"]], row["external_id"]): Known(
                content_hash=row["content_hash"],
                deleted=row["deleted"],
                version=row["version"],
                occurred_at=row["occurred_at"],
            )
            for row in rows
        }

    async def stated_as_of(self, place: Place) -> Mapping[Entity, datetime]:
        """See the port."""
        rows = await self._driver.fetch(_AS_OF, place.district_id, place.source_id)
        return {ENTITIES[row["entity"]]: row["as_of"] for row in rows}

    async def write(self, place: Place, writes: Sequence[Write]) -> None:
        """See the port."""
        await self._driver.execute(
            _WRITE,
            place.district_id,
            place.source_id,
            [w.change.entity for w in writes],
            [w.change.external_id for w in writes],
            [
                None if w.change.record is None else to_bytes(w.change.record).decode()
                for w in writes
            ],
            [w.known.content_hash for w in writes],
            [w.known.version for w in writes],
            [w.known.occurred_at for w in writes],
            [w.known.deleted for w in writes],
            [w.change.cause.delivery_id for w in writes],
            [w.change.raw_hash for w in writes],
        )

    async def resolved(
        self, district_id: str, keys: Sequence[ResolvedKey]
    ) -> Mapping[ResolvedKey, Resolved]:
        """See the port."""
        rows = await self._driver.fetch(
            _RESOLVED, district_id, [k[0] for k in keys], [k[1] for k in keys]
        )
        records = [read_resolved(row) for row in rows]
        return {(record.entity, record.entity_id): record for record in records}

    async def write_resolved(
        self, district_id: str, records: Sequence[Resolved], *, now: datetime
    ) -> None:
        """See the port."""
        keys = [match_keys(r.entity, r.record) for r in records]
        await self._driver.execute(
            _WRITE_RESOLVED,
            district_id,
            [r.entity for r in records],
            [r.entity_id for r in records],
            [r.body.decode() for r in records],
            [r.content_hash for r in records],
            [r.deleted for r in records],
            [r.correlation_id for r in records],
            [k.state_id for k in keys],
            [k.local_id for k in keys],
            [k.email for k in keys],
            [k.name if r.entity == "user" else None for k, r in zip(keys, records, strict=True)],
            [r.told for r in records],
            now,
        )
        # What nobody was told of is no effect.
        told = [r for r in records if r.told]
        first: dict[tuple[str, Entity], str] = {}
        for r in told:
            first.setdefault((r.correlation_id, r.entity), r.entity_id)
        counted = Counter((r.correlation_id, r.entity) for r in told)
        await self._driver.execute(
            _EFFECTS,
            district_id,
            [correlation for correlation, _ in first],
            [entity for _, entity in first],
            list(first.values()),
            [counted[key] for key in first],
            now,
        )

    async def resolved_after(
        self, district_id: str, after: ResolvedKey | None, *, limit: int
    ) -> Sequence[Resolved]:
        """See the port."""
        entity, entity_id = after or ("", "")
        rows = await self._driver.fetch(_RESOLVED_AFTER, district_id, entity, entity_id, limit)
        return [read_resolved(row) for row in rows]

    async def living(self, district_id: str, entity: Entity) -> int:
        """See the port."""
        return int(await self._driver.fetchval(_LIVING, district_id, entity))

    async def count(self, district_id: str) -> int:
        """See the port."""
        return int(await self._driver.fetchval(_COUNT, district_id))

    async def of_entity(
        self, district_id: str, entity: Entity, *, after: str, limit: int
    ) -> Sequence[Resolved]:
        """See the port."""
        rows = await self._driver.fetch(_OF_ENTITY, district_id, entity, after, limit)
        return [read_resolved(row) for row in rows]


def read_resolved(row: Any) -> Resolved:
    """A row with all columns but the revision and the keys."""
    record = row["data"]
    return Resolved(
        entity=ENTITIES[row["entity"]],
        entity_id=row["entity_id"],
        record=record,
        body=to_bytes(record),
        content_hash=row["content_hash"],
        deleted=row["deleted"],
        correlation_id=row["correlation_id"],
        told=row["told"],
    )
