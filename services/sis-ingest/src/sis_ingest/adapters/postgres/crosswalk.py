"""The crosswalk in PostgreSQL. Every method runs in the caller's transaction.

Keys of a batch are found by a LATERAL select with OFFSET 0: one look in the index for each,
whatever the planner thinks of a table that fills; a plain join reads all of it for every batch.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from roster_common.runtime.database import Database
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import ENTITIES, Entity
from sis_ingest.domain.identity import Meaning, Moved, candidate_id
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

# Purpose: give the outside ids of some of ours to others. Rows: few. Index: crosswalk_ours.
# A meaning ends a moment after it began at the earliest, whatever the clock says.
_MOVE: Final = """
WITH ended AS (
    UPDATE sis_ingest.crosswalk c
    SET valid_to = greatest($7::timestamptz, c.valid_from + interval '1 microsecond')
    FROM unnest($3::text[], $4::text[]) AS m(was, keep)
    WHERE c.district_id = $1 AND c.entity = $2 AND c.entity_id = m.was AND c.valid_to IS NULL
    RETURNING c.source_id, c.external_id, m.was, m.keep, c.valid_to
), begun AS (
    INSERT INTO sis_ingest.crosswalk
        (district_id, source_id, entity, external_id, entity_id, match_rule, decided_by,
         valid_from)
    SELECT $1, source_id, $2, external_id, keep, $5, $6, valid_to FROM ended
)
SELECT source_id, external_id, was, keep AS entity_id FROM ended ORDER BY 1, 2
"""

# Purpose: every meaning of each outside id that ever meant one of these ids of ours.
# Rows: few. Index: crosswalk_ours, primary key.
_HISTORY: Final = """
SELECT c.source_id, c.external_id, c.entity_id, c.match_rule, c.decided_by,
       c.valid_from, c.valid_to
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

    async def move(
        self,
        district_id: str,
        space: Entity,
        pairs: Mapping[str, str],
        *,
        match_rule: str,
        decided_by: str,
        now: datetime,
    ) -> Sequence[Moved]:
        """See the port. Right only while the district is locked."""
        rows = await self._driver.fetch(
            _MOVE,
            district_id,
            space,
            list(pairs),
            list(pairs.values()),
            match_rule,
            decided_by,
            now,
        )
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
