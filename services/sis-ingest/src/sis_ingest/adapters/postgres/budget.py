"""What guards let through lately, in PostgreSQL. Runs in the caller's transaction.

Every writer has the district's lock, so what is read here stays true until the commit.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import asyncpg

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import ENTITIES, Entity
from sis_ingest.domain.guards import GuardKey

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


class PostgresBudget:
    """`ports.Budget`."""

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
