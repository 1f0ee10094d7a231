"""The crosswalk in PostgreSQL. Every method runs in the caller's transaction.

Keys of a batch are found by a LATERAL select with OFFSET 0: one look in the index for each,
whatever the planner thinks of a table that fills; a plain join reads all of it for every batch.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from roster_common.runtime.database import Database
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import ENTITIES, Entity
from sis_ingest.domain.identity import Decision, Meaning, Moved, candidate_id
from sis_ingest.domain.references import IdKey

# Purpose: our ids for a batch of outside ids. Rows: up to one per id. Index: crosswalk_current.
_FIND: Final = """
SELECT k.entity, k.external_id, c.entity_id
FROM unnest($3::text[], $4::text[]) AS k(entity, external_id)
CROSS JOIN LATERAL (
    SELECT entity_id FROM sis_ingest.crosswalk
    WHERE district_id = $1 AND source_id = $2 AND entity = k.entity
      AND external_id = k.external_id AND valid_to IS NULL OFFSET 0) AS c
"""

# Purpose: which candidates were ever given out. Rows: few. Index: crosswalk_ours.
_TAKEN: Final = """
SELECT k.entity, k.entity_id
FROM unnest($2::text[], $3::text[]) AS k(entity, entity_id)
CROSS JOIN LATERAL (
    SELECT FROM sis_ingest.crosswalk
    WHERE district_id = $1 AND entity = k.entity AND entity_id = k.entity_id OFFSET 0) AS c
"""

# Purpose: record new meanings. Rows: one per id.
_LINK: Final = """
INSERT INTO sis_ingest.crosswalk
    (district_id, source_id, entity, external_id, entity_id, match_rule, decided_by, valid_from)
SELECT $1, $2, k.entity, k.external_id, k.entity_id, k.match_rule, 'rule', $7
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
    AS k(entity, external_id, entity_id, match_rule)
"""

# Purpose: which of our ids have several outside ids. Rows: few. Index: crosswalk_ours.
_SHARED: Final = """
SELECT k.entity, k.entity_id
FROM (SELECT DISTINCT * FROM unnest($2::text[], $3::text[])) AS k(entity, entity_id)
CROSS JOIN LATERAL (
    SELECT FROM sis_ingest.crosswalk
    WHERE district_id = $1 AND entity = k.entity AND entity_id = k.entity_id
      AND valid_to IS NULL OFFSET 1) AS c
"""

# Purpose: let outside ids mean others of ours. Rows: few. Index: crosswalk_current.
# A meaning ends a moment after it began at the earliest, whatever the clock says.
_MOVE: Final = """
WITH ended AS (
    UPDATE sis_ingest.crosswalk c
    SET valid_to = greatest($8::timestamptz, c.valid_from + interval '1 microsecond')
    FROM unnest($3::text[], $4::text[], $5::text[]) AS m(source_id, external_id, entity_id)
    WHERE c.district_id = $1 AND c.source_id = m.source_id AND c.entity = $2
      AND c.external_id = m.external_id AND c.valid_to IS NULL
    RETURNING c.source_id, c.external_id, m.entity_id, c.valid_to
)
INSERT INTO sis_ingest.crosswalk
    (district_id, source_id, entity, external_id, entity_id, match_rule, decided_by,
     valid_from, decision_id)
SELECT $1, source_id, $2, external_id, entity_id, $6, $7, valid_to, $9 FROM ended
"""

# Purpose: keep a decision. Rows: 1.
_DECIDE: Final = """
INSERT INTO sis_ingest.crosswalk_decision
    (district_id, decision_id, entity, kind, match_rule, decided_by, decided_at, correlation_id,
     undoes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

# Purpose: a decision, and what took it back. Rows: 1. Index: crosswalk_decision_decision_id_key,
# crosswalk_decision_undone. By the id alone: the door learns from it which district is asked of.
_DECISION: Final = """
SELECT d.decision_id::text, d.district_id, d.entity, d.kind, d.match_rule, d.decided_by,
       d.decided_at, d.correlation_id, d.undoes::text, u.decision_id::text AS undone_by
FROM sis_ingest.crosswalk_decision d
LEFT JOIN sis_ingest.crosswalk_decision u
  ON u.district_id = d.district_id AND u.undoes = d.decision_id
WHERE d.decision_id = $1
"""

# Purpose: what a decision moved. Rows: few. Index: crosswalk_decided, primary key.
_MOVED_BY: Final = """
SELECT b.source_id, b.external_id, e.entity_id AS was, b.entity_id
FROM sis_ingest.crosswalk b
JOIN sis_ingest.crosswalk e
  ON e.district_id = $1 AND e.source_id = b.source_id AND e.entity = b.entity
 AND e.external_id = b.external_id AND e.valid_to = b.valid_from
WHERE b.district_id = $1 AND b.decision_id = $2
ORDER BY 1, 2
"""

# Purpose: every meaning of each outside id that ever meant one of these ids of ours.
# Rows: few. Index: crosswalk_ours, primary key.
_HISTORY: Final = """
SELECT c.source_id, c.external_id, c.entity_id, c.match_rule, c.decided_by,
       c.valid_from, c.valid_to, c.decision_id::text
FROM (SELECT DISTINCT source_id, external_id FROM sis_ingest.crosswalk
      WHERE district_id = $1 AND entity = $2 AND entity_id = ANY($3::text[])) AS k
JOIN sis_ingest.crosswalk c
  ON c.district_id = $1 AND c.entity = $2 AND c.source_id = k.source_id
 AND c.external_id = k.external_id
ORDER BY c.source_id, c.external_id, c.valid_from
"""


class PostgresCrosswalk:
    """`ports.Crosswalk`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def find(self, place: Place, keys: Sequence[IdKey]) -> Mapping[IdKey, str]:
        """See the port."""
        rows = await self._driver.fetch(
            _FIND, place.district_id, place.source_id, [k[0] for k in keys], [k[1] for k in keys]
        )
        return {(ENTITIES[entity], outside): ours for entity, outside, ours in rows}

    async def taken(self, district_id: str, ids: Sequence[IdKey]) -> frozenset[IdKey]:
        """See the port. Right only while the district is locked."""
        rows = await self._driver.fetch(
            _TAKEN, district_id, [k[0] for k in ids], [k[1] for k in ids]
        )
        return frozenset((ENTITIES[entity], ours) for entity, ours in rows)

    async def link(
        self,
        place: Place,
        ids: Mapping[IdKey, str],
        *,
        rules: Mapping[IdKey, str],
        now: datetime,
    ) -> None:
        """See the port."""
        await self._driver.execute(
            _LINK,
            place.district_id,
            place.source_id,
            [space for space, _ in ids],
            [outside for _, outside in ids],
            list(ids.values()),
            [
                rules.get(key, "first_outside_id" if candidate_id(key[1]) == ours else "minted")
                for key, ours in ids.items()
            ],
            now,
        )

    async def shared(self, district_id: str, ids: Sequence[IdKey]) -> frozenset[IdKey]:
        """See the port."""
        rows = await self._driver.fetch(
            _SHARED, district_id, [k[0] for k in ids], [k[1] for k in ids]
        )
        return frozenset((ENTITIES[entity], ours) for entity, ours in rows)

    async def move(self, decision: Decision, moves: Sequence[Moved]) -> None:
        """See the port. Right only while the district is locked."""
        made = decision
        await self._driver.execute(
            _DECIDE,
            made.district_id,
            made.decision_id,
            made.entity,
            made.kind,
            made.match_rule,
            made.decided_by,
            made.decided_at,
            made.correlation_id,
            made.undoes,
        )
        await self._driver.execute(
            _MOVE,
            made.district_id,
            made.entity,
            [move.source_id for move in moves],
            [move.external_id for move in moves],
            [move.entity_id for move in moves],
            made.match_rule,
            made.decided_by,
            made.decided_at,
            made.decision_id,
        )

    async def decision(self, decision_id: str) -> Decision | None:
        """See the port."""
        row = await self._driver.fetchrow(_DECISION, decision_id)
        return None if row is None else Decision(**dict(row))

    async def moved_by(self, district_id: str, decision_id: str) -> Sequence[Moved]:
        """See the port."""
        rows = await self._driver.fetch(_MOVED_BY, district_id, decision_id)
        return [Moved(**dict(row)) for row in rows]

    async def history(
        self, district_id: str, space: Entity, ids: Sequence[str]
    ) -> Sequence[Meaning]:
        """See the port."""
        rows = await self._driver.fetch(_HISTORY, district_id, space, list(ids))
        return [Meaning(**dict(row)) for row in rows]


class PostgresCrosswalkDesk:
    """`ports.CrosswalkDesk`, on the raw read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def history(
        self, district_id: str, space: Entity, ids: Sequence[str]
    ) -> Sequence[Meaning]:
        """See the port."""
        pool = await self._database.pool()
        rows = await pool.fetch(_HISTORY, district_id, space, list(ids))
        return [Meaning(**dict(row)) for row in rows]

    async def decision(self, decision_id: str) -> Decision | None:
        """See the port."""
        try:
            wanted = uuid.UUID(decision_id)
        except ValueError:
            return None
        row = await (await self._database.pool()).fetchrow(_DECISION, wanted)
        return None if row is None else Decision(**dict(row))
