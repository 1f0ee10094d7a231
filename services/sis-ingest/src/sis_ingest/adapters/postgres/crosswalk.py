"""The crosswalk in PostgreSQL. Every method runs in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import ENTITIES
from sis_ingest.domain.identity import candidate_id
from sis_ingest.domain.references import IdKey

# Purpose: our ids for a batch of outside ids. Rows: up to one per id. Index: crosswalk_current.
_FIND: Final = """
SELECT c.entity, c.external_id, c.entity_id
FROM unnest($3::text[], $4::text[]) AS k(entity, external_id)
JOIN sis_ingest.crosswalk c
  ON c.district_id = $1 AND c.source_id = $2 AND c.entity = k.entity
 AND c.external_id = k.external_id AND c.valid_to IS NULL
"""

# Purpose: which candidates were ever given out. Rows: few. Index: crosswalk_ours.
_TAKEN: Final = """
SELECT DISTINCT c.entity, c.entity_id
FROM unnest($2::text[], $3::text[]) AS k(entity, entity_id)
JOIN sis_ingest.crosswalk c
  ON c.district_id = $1 AND c.entity = k.entity AND c.entity_id = k.entity_id
"""

# Purpose: record new meanings. Rows: one per id.
_LINK: Final = """
INSERT INTO sis_ingest.crosswalk
    (district_id, source_id, entity, external_id, entity_id, match_rule, valid_from)
SELECT $1, $2, k.entity, k.external_id, k.entity_id, k.match_rule, $7
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
    AS k(entity, external_id, entity_id, match_rule)
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

    async def link(self, place: Place, ids: Mapping[IdKey, str], *, now: datetime) -> None:
        """See the port."""
        await self._driver.execute(
            _LINK,
            place.district_id,
            place.source_id,
            [space for space, _ in ids],
            [outside for _, outside in ids],
            list(ids.values()),
            [
                "first_outside_id" if candidate_id(outside) == ours else "minted"
                for (_, outside), ours in ids.items()
            ],
            now,
        )
