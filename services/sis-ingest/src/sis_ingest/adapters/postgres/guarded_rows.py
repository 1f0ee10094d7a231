"""What a guard counts among the staged rows of a run. In the caller's transaction."""

from datetime import datetime
from typing import Final

import asyncpg

from sis_ingest.adapters.postgres.long_steps import LongSteps
from sis_ingest.adapters.postgres.staging import ensure_stands
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.guards import GuardKey, Hold
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import Wanted

# What a guard counts among the rows s of a run: deletions of what stands and is older than the
# snapshot, unless a newer one stated the whole collection; upserts of what was never heard of and
# was not recognised as somebody known. The rule in Python: domain.guards.guarded.
_GUARDED: Final = """
    s.district_id = $1 AND s.run_id = $2 AND s.entity = $4 AND s.differs
    AND s.deleted = ($5 = 'remove')
    AND CASE WHEN $5 = 'remove' THEN EXISTS (
            SELECT FROM sis_ingest.source_record r WHERE r.district_id = $1 AND r.source_id = $3
            AND r.entity = $4 AND r.external_id = s.external_id AND NOT r.deleted
            AND r.occurred_at < $6)
            AND NOT EXISTS (SELECT FROM sis_ingest.source_statement t WHERE t.district_id = $1
                AND t.source_id = $3 AND t.entity = $4 AND t.as_of >= $6)
        ELSE NOT EXISTS (
            SELECT FROM sis_ingest.source_record r WHERE r.district_id = $1 AND r.source_id = $3
            AND r.entity = $4 AND r.external_id = s.external_id AND NOT r.deleted)
            AND NOT EXISTS (SELECT FROM sis_ingest.crosswalk c
                JOIN sis_ingest.resolved_record known ON known.district_id = $1
                    AND known.entity = $4 AND known.entity_id = c.entity_id
                WHERE c.district_id = $1 AND c.source_id = $3 AND c.entity = $4
                AND c.external_id = s.external_id AND c.valid_to IS NULL) END
"""

# Purpose: what a guard counts, and what of it an open hold has. Rows: 1. Differing rows only. A
# hold whose time is over has nothing any more, though nobody has ended it yet.
_WANTED: Final = f"""
SELECT count(*) AS total, count(i.external_id) AS held,
       count(*) FILTER (WHERE NOT s.absent) AS told,
       count(i.external_id) FILTER (WHERE NOT s.absent) AS told_held
FROM sis_ingest.snapshot_row s
LEFT JOIN sis_ingest.hold h ON h.district_id = $1 AND h.source_id = $3 AND h.entity = $4
    AND h.operation = $5 AND h.state = 'open' AND h.expires_at > $7
LEFT JOIN sis_ingest.hold_item i ON i.district_id = $1 AND i.hold_id = h.hold_id
    AND i.external_id = s.external_id
WHERE {_GUARDED}
"""

# Purpose: move what a guard counts into its hold. Rows: those. Index of the items: primary key.
# What the hold has from a newer statement stays as that said it.
_HAND_OVER: Final = f"""
WITH moved AS (
    DELETE FROM sis_ingest.snapshot_row s WHERE {_GUARDED}
      AND ($8 OR EXISTS (SELECT FROM sis_ingest.hold_item i WHERE i.district_id = $1
                         AND i.hold_id = $7 AND i.external_id = s.external_id))
    RETURNING s.external_id, s.data, s.content_hash, s.absent
)
INSERT INTO sis_ingest.hold_item AS i (district_id, hold_id, external_id, data, content_hash,
    version, occurred_at, absent, delivery_id, correlation_id, origin)
SELECT $1, $7, m.external_id, CASE WHEN $5 = 'add' THEN m.data::jsonb END, m.content_hash,
       NULL, $6, m.absent, $9, $10, $11 FROM moved m
ON CONFLICT (district_id, hold_id, external_id) DO UPDATE SET
    data = excluded.data, content_hash = excluded.content_hash, version = excluded.version,
    occurred_at = excluded.occurred_at, absent = excluded.absent
WHERE excluded.occurred_at >= i.occurred_at
"""

# Purpose: take what the file contradicts out of holds, also out of approved ones that are not
# released yet. Rows: few. Index: hold_waiting.
# A removal ends when the record is there again; an addition when a whole file lacks it.
_OVERTAKE: Final = """
DELETE FROM sis_ingest.hold_item i USING sis_ingest.hold h
WHERE h.district_id = $1 AND h.source_id = $3 AND h.entity = $4 AND h.done_at IS NULL
  AND i.district_id = $1 AND i.hold_id = h.hold_id AND i.occurred_at < $5
  AND CASE WHEN h.operation = 'remove' THEN EXISTS (
          SELECT FROM sis_ingest.snapshot_row s WHERE s.district_id = $1 AND s.run_id = $2
          AND s.entity = $4 AND s.external_id = i.external_id AND NOT s.deleted)
      ELSE EXISTS (
          SELECT FROM sis_ingest.snapshot_row s WHERE s.district_id = $1 AND s.run_id = $2
          AND s.entity = $4 AND s.external_id = i.external_id AND s.deleted)
        OR $6 AND NOT EXISTS (
          SELECT FROM sis_ingest.snapshot_row s WHERE s.district_id = $1 AND s.run_id = $2
          AND s.entity = $4 AND s.external_id = i.external_id) END
RETURNING h.hold_id
"""


class PostgresGuardedRows:
    """`ports.GuardedRows`."""

    def __init__(self, driver: asyncpg.Connection, steps: LongSteps) -> None:
        self._driver = driver
        self._steps = steps

    async def wanted(self, run: Run, key: GuardKey, *, now: datetime) -> Wanted:
        """See the port."""
        await ensure_stands(self._driver, run)
        place = run.place
        (row,) = await self._steps.fetch(
            _WANTED,
            place.district_id,
            run.run_id,
            place.source_id,
            *key,
            run.moment(key[0]),
            now,
        )
        return Wanted(**row)

    async def hand_over(self, run: Run, hold: Hold, *, fresh: bool) -> int:
        """See the port. The cause of what is held already stays the first one."""
        place = run.place
        status = await self._steps.execute(
            _HAND_OVER,
            place.district_id,
            run.run_id,
            place.source_id,
            *hold.key,
            run.moment(hold.entity),
            hold.hold_id,
            fresh,
            run.delivery_id,
            run.correlation_id,
            run.origin or "snapshot",
        )
        return int(status.rpartition(" ")[2])

    async def overtake(self, run: Run, entity: Entity, *, whole: bool) -> frozenset[str]:
        """See the port."""
        await ensure_stands(self._driver, run)
        place = run.place
        rows = await self._steps.fetch(
            _OVERTAKE,
            place.district_id,
            run.run_id,
            place.source_id,
            entity,
            run.moment(entity),
            whole,
        )
        return frozenset(str(row["hold_id"]) for row in rows)
