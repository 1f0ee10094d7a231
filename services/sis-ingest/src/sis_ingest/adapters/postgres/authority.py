"""Which source has authority over which place, and the flips that change it, in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any, Final

import asyncpg

from roster_common.runtime.database import Database
from sis_ingest.domain.authority import Authority, Ruling
from sis_ingest.domain.entities import ENTITIES, Entity
from sis_ingest.domain.flips import Flip, Order

# Purpose: what is laid down in a district. Rows: up to one per school. Index: primary key.
_OF: Final = "SELECT school_id, source_id FROM sis_ingest.authority WHERE district_id = $1"

# Purpose: the same for an operator. Rows, index: as _OF.
_RULINGS: Final = """
SELECT school_id, source_id, since, decided_by FROM sis_ingest.authority
WHERE district_id = $1 ORDER BY school_id
"""

# Purpose: give a place to a source, unless it has it. Rows: 0 or 1. Index: primary key.
_LAY_DOWN: Final = """
INSERT INTO sis_ingest.authority AS a (district_id, school_id, source_id, since, decided_by)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (district_id, school_id) DO UPDATE SET
    source_id = excluded.source_id, since = excluded.since, decided_by = excluded.decided_by
WHERE a.source_id <> excluded.source_id
"""

# Purpose: leave a place to the district's source, or to nobody. Rows: 1. Index: primary key.
_TAKE_AWAY: Final = "DELETE FROM sis_ingest.authority WHERE district_id = $1 AND school_id = $2"

# Purpose: keep a flip as it stands. Rows: 1. Index: primary key.
_SAVE: Final = """
INSERT INTO sis_ingest.flip (district_id, flip_id, school_id, source_id, decided_by,
    correlation_id, asked_at, begun_at, ended_at, after_entity, after_id, upserted, deleted,
    retells)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (district_id, flip_id) DO UPDATE SET
    begun_at = excluded.begun_at, ended_at = excluded.ended_at,
    after_entity = excluded.after_entity, after_id = excluded.after_id,
    upserted = excluded.upserted, deleted = excluded.deleted
"""

# Purpose: one flip. Rows: 0 or 1. Index: primary key.
_GET: Final = """
SELECT *, NULL::uuid AS hold_id FROM sis_ingest.flip WHERE district_id = $1 AND flip_id = $2
"""

# Purpose: the flip of a district that waits or is under way. Rows: 0 or 1. Small tables.
_UNFINISHED: Final = """
SELECT f.*, h.hold_id FROM sis_ingest.flip f
LEFT JOIN sis_ingest.hold h ON h.district_id = $1 AND h.hold_id = f.flip_id
WHERE f.district_id = $1 AND f.ended_at IS NULL
  AND (f.begun_at IS NOT NULL OR h.done_at IS NULL AND h.state IN ('open', 'approved')
       OR f.retells AND h.hold_id IS NULL)
ORDER BY f.asked_at LIMIT 1
"""

# Purpose: the flip to carry on with. Rows: 0 or 1. Small tables.
# house: no-district — one worker serves every district
_DUE: Final = """
SELECT f.*, h.hold_id FROM sis_ingest.flip f
LEFT JOIN sis_ingest.hold h ON h.district_id = f.district_id AND h.hold_id = f.flip_id
WHERE f.ended_at IS NULL AND f.flip_id <> ALL($1::uuid[])
  AND (f.begun_at IS NOT NULL OR h.done_at IS NULL AND h.state = 'approved'
       OR f.retells AND h.hold_id IS NULL)
ORDER BY f.asked_at LIMIT 1
"""

# Purpose: the schools that others know. Rows: all schools. Index: primary key, all orgs.
_SCHOOLS: Final = """
SELECT entity_id FROM sis_ingest.resolved_record
WHERE district_id = $1 AND entity = 'org' AND NOT deleted AND data->>'type' = 'school'
ORDER BY entity_id
"""

# Purpose: records that live in their source and are told nowhere. Rows: a few. Index: none helps,
# it reads the district's records once, for an operator.
_SILENT: Final = """
SELECT s.source_id, s.entity, count(*) AS records
FROM sis_ingest.source_record s
JOIN sis_ingest.crosswalk c
  ON c.district_id = $1 AND c.source_id = s.source_id AND c.external_id = s.external_id
 AND c.entity = CASE s.entity WHEN 'demographics' THEN 'user' ELSE s.entity END
 AND c.valid_to IS NULL
JOIN sis_ingest.resolved_record r
  ON r.district_id = $1 AND r.entity = s.entity AND r.entity_id = c.entity_id AND r.deleted
WHERE s.district_id = $1 AND NOT s.deleted
GROUP BY s.source_id, s.entity
"""


class PostgresAuthority:
    """`ports.AuthorityTable`; `supplements` are the sources that only add to others."""

    def __init__(self, driver: asyncpg.Connection, *, supplements: Set[str]) -> None:
        self._driver = driver
        self._supplements = supplements

    async def of(self, district_id: str) -> Authority:
        """See the port."""
        rows = await self._driver.fetch(_OF, district_id)
        return Authority(
            sources={row["school_id"]: row["source_id"] for row in rows},
            supplements=self._supplements,
        )

    async def lay_down(self, flip: Flip) -> None:
        """See the port."""
        order = flip.order
        place = (order.district_id, order.school_id)
        if order.source_id is None:
            await self._driver.execute(_TAKE_AWAY, *place)
        else:
            await self._driver.execute(
                _LAY_DOWN, *place, order.source_id, flip.begun_at, flip.decided_by
            )

    async def unfinished(self, district_id: str) -> Flip | None:
        """See the port."""
        return _flip(await self._driver.fetchrow(_UNFINISHED, district_id))

    async def flip(self, district_id: str, flip_id: str) -> Flip | None:
        """See the port."""
        return _flip(await self._driver.fetchrow(_GET, district_id, flip_id))

    async def save(self, flip: Flip) -> None:
        """See the port."""
        order = flip.order
        after_entity, after_id = flip.after or (None, None)
        await self._driver.execute(
            _SAVE,
            order.district_id,
            flip.flip_id,
            order.school_id,
            order.source_id,
            flip.decided_by,
            flip.correlation_id,
            flip.asked_at,
            flip.begun_at,
            flip.ended_at,
            after_entity,
            after_id,
            flip.upserted,
            flip.deleted,
            order.retells,
        )


class PostgresAuthorityDesk:
    """`ports.AuthorityDesk`, on the raw read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, *, resting: Collection[str] = ()) -> Flip | None:
        """See the port."""
        return _flip(await (await self._database.pool()).fetchrow(_DUE, list(resting)))

    async def rulings(self, district_id: str) -> Sequence[Ruling]:
        """See the port."""
        rows = await (await self._database.pool()).fetch(_RULINGS, district_id)
        return [Ruling(**dict(row)) for row in rows]

    async def schools(self, district_id: str) -> Sequence[str]:
        """See the port."""
        rows = await (await self._database.pool()).fetch(_SCHOOLS, district_id)
        return [row["entity_id"] for row in rows]

    async def silent(self, district_id: str) -> Mapping[str, Mapping[Entity, int]]:
        """See the port."""
        found: dict[str, dict[Entity, int]] = {}
        for row in await (await self._database.pool()).fetch(_SILENT, district_id):
            found.setdefault(row["source_id"], {})[ENTITIES[row["entity"]]] = row["records"]
        return found

    async def unfinished(self, district_id: str) -> Flip | None:
        """See the port."""
        return _flip(await (await self._database.pool()).fetchrow(_UNFINISHED, district_id))


def _flip(row: Any) -> Flip | None:
    if row is None:
        return None
    return Flip(
        flip_id=str(row["flip_id"]),
        order=Order(
            district_id=row["district_id"],
            school_id=row["school_id"],
            source_id=row["source_id"],
            retells=row["retells"],
        ),
        decided_by=row["decided_by"],
        correlation_id=row["correlation_id"],
        asked_at=row["asked_at"],
        begun_at=row["begun_at"],
        ended_at=row["ended_at"],
        after=None
        if row["after_entity"] is None
        else (ENTITIES[row["after_entity"]], row["after_id"]),
        upserted=row["upserted"],
        deleted=row["deleted"],
        hold_id=None if row["hold_id"] is None else str(row["hold_id"]),
    )
