"""Which outside ids a staged list has in place of others. In the caller's transaction.

Compared as sets once for a run and kept, so that the pages that carry them out read by key.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from sis_ingest.adapters.postgres.long_steps import LongSteps
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import Repeated

# Purpose: keep staged enrollments under new outside ids that say again, in our ids, what one that
# the whole list lacks said; none where several do. Rows: up to all. Hash joins over the source's
# enrollments, once for a run, and only where there are new ones.
_ENROLLED: Final = """
SELECT x.external_id, c.entity_id AS class_id, u.entity_id AS user_id, x.role,
       count(*) OVER (PARTITION BY c.entity_id, u.entity_id, x.role) AS alike
FROM {} AS x
JOIN sis_ingest.crosswalk c ON c.district_id = $1 AND c.source_id = $3 AND c.entity = 'class'
  AND c.external_id = x.class AND c.valid_to IS NULL
JOIN sis_ingest.crosswalk u ON u.district_id = $1 AND u.source_id = $3 AND u.entity = 'user'
  AND u.external_id = x.user AND u.valid_to IS NULL
"""
_SAID_OF_IT: Final = """d.data -> 'class' ->> 'sourcedId' AS class,
       d.data -> 'user' ->> 'sourcedId' AS user, d.data ->> 'role' AS role"""
_STAGED_ENROLLMENTS: Final = f"""(
    SELECT s.external_id, {_SAID_OF_IT} FROM sis_ingest.snapshot_row s
    CROSS JOIN LATERAL (SELECT s.data::jsonb AS data OFFSET 0) AS d
    WHERE EXISTS (SELECT FROM sis_ingest.resolved_record
                  WHERE district_id = $1 AND entity = 'enrollment')
      AND s.district_id = $1 AND s.run_id = $2 AND s.entity = 'enrollment' AND s.differs
      AND NOT s.deleted AND NOT EXISTS (
        SELECT FROM sis_ingest.source_record r WHERE r.district_id = $1 AND r.source_id = $3
        AND r.entity = 'enrollment' AND r.external_id = s.external_id)
      AND NOT EXISTS (
        SELECT FROM sis_ingest.crosswalk k WHERE k.district_id = $1 AND k.source_id = $3
        AND k.entity = 'enrollment' AND k.external_id = s.external_id AND k.valid_to IS NULL))"""
_ABSENT_ENROLLMENTS: Final = f"""(
    SELECT d.external_id, {_SAID_OF_IT} FROM sis_ingest.source_record d
    WHERE EXISTS (SELECT FROM fresh)
      AND d.district_id = $1 AND d.source_id = $3 AND d.entity = 'enrollment' AND NOT d.deleted
      AND d.occurred_at < $4 AND NOT EXISTS (
        SELECT FROM sis_ingest.snapshot_row s WHERE s.district_id = $1 AND s.run_id = $2
        AND s.entity = 'enrollment' AND s.external_id = d.external_id AND NOT s.deleted)
      AND NOT EXISTS (
        SELECT FROM sis_ingest.source_statement t WHERE t.district_id = $1 AND t.source_id = $3
        AND t.entity = 'enrollment' AND t.as_of >= $4))"""
_KEEP_ENROLLMENTS: Final = f"""
WITH fresh AS MATERIALIZED ({_ENROLLED.format(_STAGED_ENROLLMENTS)}),
absent AS MATERIALIZED ({_ENROLLED.format(_ABSENT_ENROLLMENTS)})
INSERT INTO sis_ingest.snapshot_pair (district_id, run_id, entity, new_id, old_id, entity_id)
SELECT $1, $2, 'enrollment', fresh.external_id, absent.external_id, k.entity_id
FROM fresh JOIN absent USING (class_id, user_id, role)
JOIN sis_ingest.crosswalk k ON k.district_id = $1 AND k.source_id = $3 AND k.entity = 'enrollment'
  AND k.external_id = absent.external_id AND k.valid_to IS NULL
WHERE fresh.alike = 1 AND absent.alike = 1
"""

# Purpose: keep staged ids that the source had ended and names again in place of one that it named
# since and leaves out now. Rows: few. Hash joins over one collection; the first condition ends a
# first load at once.
_KEEP_RETURNED: Final = """
INSERT INTO sis_ingest.snapshot_pair (district_id, run_id, entity, new_id, old_id, entity_id)
SELECT DISTINCT ON (s.external_id) $1, $2, $5, s.external_id, o.external_id, c.entity_id
FROM sis_ingest.snapshot_row s
JOIN sis_ingest.source_record r ON r.district_id = $1 AND r.source_id = $3 AND r.entity = $5
  AND r.external_id = s.external_id AND r.deleted AND r.data IS NOT NULL AND r.occurred_at < $4
JOIN sis_ingest.crosswalk c ON c.district_id = $1 AND c.source_id = $3 AND c.entity = $5
  AND c.external_id = s.external_id AND c.valid_to IS NULL
JOIN sis_ingest.crosswalk o ON o.district_id = $1 AND o.entity_id = c.entity_id AND o.entity = $5
  AND o.source_id = $3 AND o.external_id <> c.external_id AND o.valid_to IS NULL
JOIN sis_ingest.source_record l ON l.district_id = $1 AND l.source_id = $3 AND l.entity = $5
  AND l.external_id = o.external_id AND NOT l.deleted AND l.occurred_at < $4
WHERE EXISTS (SELECT FROM sis_ingest.resolved_record WHERE district_id = $1 AND entity = $5)
  AND s.district_id = $1 AND s.run_id = $2 AND s.entity = $5 AND s.differs AND NOT s.deleted
  AND NOT EXISTS (
    SELECT FROM sis_ingest.snapshot_row x WHERE x.district_id = $1 AND x.run_id = $2
    AND x.entity = $5 AND x.external_id = o.external_id AND NOT x.deleted)
  AND NOT EXISTS (
    SELECT FROM sis_ingest.source_statement t WHERE t.district_id = $1 AND t.source_id = $3
    AND t.entity = $5 AND t.as_of >= $4)
ORDER BY s.external_id, l.occurred_at DESC, o.external_id
"""

# Purpose: the next kept pairs that still hold: nothing newer came of either id. Rows: one page.
# Index: primary keys, crosswalk_current.
_PAGE: Final = """
SELECT p.new_id, p.old_id, p.entity_id FROM sis_ingest.snapshot_pair p
WHERE p.district_id = $1 AND p.run_id = $2 AND p.entity = $5 AND p.new_id > $6
  AND EXISTS (
    SELECT FROM sis_ingest.source_record o WHERE o.district_id = $1 AND o.source_id = $3
    AND o.entity = $5 AND o.external_id = p.old_id AND NOT o.deleted AND o.occurred_at < $4)
  AND NOT EXISTS (
    SELECT FROM sis_ingest.source_record n WHERE n.district_id = $1 AND n.source_id = $3
    AND n.entity = $5 AND n.external_id = p.new_id
    AND (NOT n.deleted OR n.occurred_at >= $4))
  AND NOT EXISTS (
    SELECT FROM sis_ingest.crosswalk k WHERE k.district_id = $1 AND k.source_id = $3
    AND k.entity = $5 AND k.external_id IN (p.old_id, p.new_id) AND k.valid_to IS NULL
    AND k.entity_id <> p.entity_id)
ORDER BY p.new_id LIMIT $7
"""


class PostgresPairs:
    """`ports.Pairs`."""

    def __init__(self, driver: asyncpg.Connection, steps: LongSteps) -> None:
        self._driver = driver
        self._steps = steps

    async def keep_enrollments(self, run: Run) -> bool:
        """See the port."""
        place = run.place
        status = await self._steps.execute(
            _KEEP_ENROLLMENTS,
            place.district_id,
            run.run_id,
            place.source_id,
            run.moment("enrollment"),
        )
        return status != _NONE

    async def keep_returned(self, run: Run, entity: Entity) -> bool:
        """See the port."""
        place = run.place
        status = await self._steps.execute(
            _KEEP_RETURNED,
            place.district_id,
            run.run_id,
            place.source_id,
            run.moment(entity),
            entity,
        )
        return status != _NONE

    async def page(self, run: Run, entity: Entity, *, after: str, limit: int) -> Sequence[Repeated]:
        """See the port."""
        place = run.place
        rows = await self._driver.fetch(
            _PAGE,
            place.district_id,
            run.run_id,
            place.source_id,
            run.moment(entity),
            entity,
            after,
            limit,
        )
        return [Repeated(*row) for row in rows]


_NONE: Final = "INSERT 0 0"
