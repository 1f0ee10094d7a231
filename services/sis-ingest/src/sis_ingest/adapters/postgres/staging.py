"""Rows of snapshot runs in PostgreSQL: COPY in, compare as sets. Runs in the caller's transaction.

What goes over all rows of a run is a long step (see long_steps.py).

The comparison is the first sieve of `domain.changes.judge`; a test runs both on the same cases.
The tables are unlogged, so a crash of the database empties them: whoever reads rows asks first
whether the run is still at work there, else what is gone would look like what the file lacks.
"""

from collections.abc import Sequence, Set
from typing import Final

import asyncpg

from roster_common.errors import Retriable
from roster_common.runtime.statistics import analyze
from sis_ingest.adapters.postgres.long_steps import LongSteps
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import RawRow, Sieve, StagedRow

# Purpose: forget a run's rows. Rows: all of the run.
_CLEAR: Final = "DELETE FROM sis_ingest.snapshot_row WHERE district_id = $1 AND run_id = $2"
_CLEAR_PAIRS: Final = "DELETE FROM sis_ingest.snapshot_pair WHERE district_id = $1 AND run_id = $2"

# Purpose: keep, forget and see that rows of a run are here. Rows: 1. Index: primary key.
_OPEN: Final = "INSERT INTO sis_ingest.snapshot_stage (district_id, run_id) VALUES ($1, $2)"
_CLOSE: Final = "DELETE FROM sis_ingest.snapshot_stage WHERE district_id = $1 AND run_id = $2"
_STANDS: Final = """
SELECT EXISTS (SELECT FROM sis_ingest.snapshot_stage WHERE district_id = $1 AND run_id = $2)
"""

# Purpose: tell the planner how large both sides are.
_WEIGH: Final = analyze("sis_ingest.snapshot_row, sis_ingest.source_record")

# Purpose: whether a collection repeats an id at all. Rows: 1. The run's rows are read once.
_REPEATS: Final = """
SELECT EXISTS (SELECT FROM sis_ingest.snapshot_row
    WHERE district_id = $1 AND run_id = $2 AND entity = $3
    GROUP BY external_id HAVING count(*) > 1)
"""

# Purpose: keep the first row of each id. Rows: the repeated ones. The run's rows of the entity are
# read twice and never sorted: of a state's five million a sort takes longer than a statement may.
_DROP_REPEATED: Final = """
DELETE FROM sis_ingest.snapshot_row s USING (
    SELECT external_id, min(row_number) AS first FROM sis_ingest.snapshot_row
    WHERE district_id = $1 AND run_id = $2 AND entity = $3
    GROUP BY external_id HAVING count(*) > 1
) r
WHERE s.district_id = $1 AND s.run_id = $2 AND s.entity = $3
  AND s.external_id = r.external_id AND s.row_number > r.first
RETURNING s.row_number
"""

# Purpose: stage rows that are known as they stand. Rows: up to one chunk. Index: primary key, one
# look for each (see crosswalk.py).
_PUT_KNOWN: Final = """
INSERT INTO sis_ingest.snapshot_row (district_id, run_id, entity, sort_key, row_number,
    external_id, content_hash, deleted, absent, differs)
SELECT $1, $2, $4, '', k.row_number, k.external_id, ''::bytea, false, false, false
FROM unnest($5::text[], $6::bytea[], $7::integer[]) AS k(external_id, raw_hash, row_number)
CROSS JOIN LATERAL (
    SELECT raw_hash FROM sis_ingest.source_record
    WHERE district_id = $1 AND source_id = $3 AND entity = $4 AND external_id = k.external_id
      AND NOT deleted OFFSET 0) AS r
WHERE r.raw_hash = k.raw_hash
RETURNING row_number
"""

# Purpose: remember rows that say in other words what we know. Rows: few, once per wording.
_REWORDED: Final = """
UPDATE sis_ingest.source_record r SET raw_hash = s.raw_hash
FROM sis_ingest.snapshot_row s
WHERE s.district_id = $1 AND s.run_id = $2 AND s.entity = $4 AND s.differs AND NOT s.deleted
  AND r.district_id = $1 AND r.source_id = $3 AND r.entity = $4
  AND r.external_id = s.external_id AND NOT r.deleted AND r.content_hash = s.content_hash
"""

# Purpose: unmark rows that say nothing new. Rows: all that are the same. One hash join.
_SAME: Final = """
UPDATE sis_ingest.snapshot_row s SET differs = false
FROM sis_ingest.source_record r
WHERE s.district_id = $1 AND s.run_id = $2 AND s.entity = $4 AND s.differs
  AND r.district_id = $1 AND r.source_id = $3 AND r.entity = $4
  AND r.external_id = s.external_id AND r.deleted = s.deleted
  AND (s.deleted OR r.content_hash = s.content_hash)
"""

# Purpose: how a collection stands; what a whole one lacks is staged as deletions. Rows: 1. One
# hash join. Newer records stay: the snapshot cannot know of them. An older snapshot than the last
# one that stated the collection says nothing. The statement does not see what it stages.
_STAND: Final = """
WITH missing AS MATERIALIZED (
    SELECT r.external_id, r.occurred_at, r.data -> 'user' ->> 'sourcedId' AS user_id
    FROM sis_ingest.source_record r
    WHERE r.district_id = $1 AND r.source_id = $3 AND r.entity = $4 AND NOT r.deleted
      AND NOT EXISTS (SELECT FROM sis_ingest.snapshot_row s WHERE s.district_id = $1
                      AND s.run_id = $2 AND s.entity = $4 AND s.external_id = r.external_id)
), absent AS (
    INSERT INTO sis_ingest.snapshot_row (district_id, run_id, entity, sort_key, row_number,
        external_id, content_hash, deleted, absent, differs)
    SELECT $1, $2, $4, coalesce(m.user_id, ''),
           (row_number() OVER (ORDER BY m.external_id) - 2147483648)::integer,
           m.external_id, ''::bytea, true, true, true
    FROM missing m
    WHERE $5 AND m.occurred_at < $6
      AND NOT EXISTS (SELECT FROM sis_ingest.source_statement t WHERE t.district_id = $1
                      AND t.source_id = $3 AND t.entity = $4 AND t.as_of >= $6)
    RETURNING true
)
SELECT (SELECT count(*) FROM sis_ingest.snapshot_row
        WHERE district_id = $1 AND run_id = $2 AND entity = $4 AND differs) AS differing,
       (SELECT count(*) FROM missing) AS missing, (SELECT count(*) FROM absent) AS absent
"""

# Purpose: how many rows that differ say nothing new, for a dry run. Rows: 1. One hash join. The
# rule in Python: domain.changes.judge.
_STALE: Final = """
SELECT count(*) FROM sis_ingest.snapshot_row s
JOIN sis_ingest.source_record r ON r.district_id = $1 AND r.source_id = $3 AND r.entity = $4
    AND r.external_id = s.external_id
LEFT JOIN sis_ingest.source_statement t ON t.district_id = $1 AND t.source_id = $3
    AND t.entity = $4
WHERE s.district_id = $1 AND s.run_id = $2 AND s.entity = $4 AND s.differs AND NOT s.absent
  AND (r.occurred_at >= $5 OR t.as_of >= $5)
"""

# Purpose: the next rows left. Rows: one batch. Index: snapshot_row_differing.
_DIFFERING: Final = """
SELECT row_number, external_id, sort_key, content_hash, raw_hash, deleted, absent, data
FROM sis_ingest.snapshot_row
WHERE district_id = $1 AND run_id = $2 AND entity = $3 AND differs AND deleted = $4
  AND (sort_key, row_number) > ($5, $6)
ORDER BY sort_key, row_number LIMIT $7
"""

_COLUMNS: Final = (
    "district_id",
    "run_id",
    "entity",
    "sort_key",
    "row_number",
    "external_id",
    "content_hash",
    "raw_hash",
    "deleted",
    "absent",
    "differs",
    "data",
)


class StagedRowsGone(Retriable):
    """The database lost them in a crash; the run must be read again."""


class PostgresStaging:
    """`ports.Staging`."""

    def __init__(self, driver: asyncpg.Connection, steps: LongSteps) -> None:
        self._driver = driver
        self._steps = steps

    async def begin(self, run: Run) -> None:
        """See the port."""
        await self.clear(run)
        await self._driver.execute(_OPEN, run.place.district_id, run.run_id)

    async def clear(self, run: Run) -> None:
        """See the port."""
        for statement in (_CLEAR, _CLEAR_PAIRS, _CLOSE):
            await self._steps.execute(statement, run.place.district_id, run.run_id)

    async def put(self, run: Run, entity: Entity, rows: Sequence[StagedRow]) -> None:
        """See the port. One COPY."""
        district_id, run_id = run.place.district_id, run.run_id
        await self._driver.copy_records_to_table(
            "snapshot_row",
            schema_name="sis_ingest",
            columns=_COLUMNS,
            records=[
                (
                    district_id,
                    run_id,
                    entity,
                    row.sort_key,
                    row.row,
                    row.external_id,
                    row.content_hash,
                    row.raw_hash,
                    row.deleted,
                    False,
                    row.body is not None or row.deleted,
                    None if row.body is None else row.body.decode(),
                )
                for row in rows
            ],
        )

    async def put_known(self, run: Run, entity: Entity, rows: Sequence[RawRow]) -> Set[int]:
        """See the port."""
        place = run.place
        found = await self._driver.fetch(
            _PUT_KNOWN,
            place.district_id,
            run.run_id,
            place.source_id,
            entity,
            [row.external_id for row in rows],
            [row.raw_hash for row in rows],
            [row.row for row in rows],
        )
        return {row["row_number"] for row in found}

    async def weigh(self) -> None:
        """See the port. What was written since the last ANALYZE is planned as an empty table."""
        await self._steps.execute(_WEIGH)

    async def drop_repeated(self, run: Run, entity: Entity) -> Sequence[int]:
        """See the port."""
        keys = (run.place.district_id, run.run_id, entity)
        if not await self._steps.fetchval(_REPEATS, *keys):
            return ()
        rows = await self._steps.fetch(_DROP_REPEATED, *keys)
        return sorted(row["row_number"] for row in rows)

    async def sieve(self, run: Run, entity: Entity, *, whole: bool) -> Sieve:
        """See the port."""
        await ensure_stands(self._driver, run)
        place = run.place
        keys = (place.district_id, run.run_id, place.source_id, entity)
        if not run.dry_run:
            await self._steps.execute(_REWORDED, *keys)
        await self._steps.execute(_SAME, *keys)
        (row,) = await self._steps.fetch(_STAND, *keys, whole, run.moment(entity))
        return Sieve(**row)

    async def stale(self, run: Run, entity: Entity) -> int:
        """See the port."""
        place = run.place
        found = await self._steps.fetchval(
            _STALE, place.district_id, run.run_id, place.source_id, entity, run.moment(entity)
        )
        return int(found)

    async def differing(
        self, run: Run, entity: Entity, *, deleted: bool, after: tuple[str, int], limit: int
    ) -> Sequence[StagedRow]:
        """See the port."""
        await ensure_stands(self._driver, run)
        place = run.place
        rows = await self._driver.fetch(
            _DIFFERING, place.district_id, run.run_id, entity, deleted, *after, limit
        )
        return [
            StagedRow(
                row=row["row_number"],
                external_id=row["external_id"],
                sort_key=row["sort_key"],
                content_hash=row["content_hash"],
                deleted=row["deleted"],
                body=None if row["data"] is None else row["data"].encode(),
                absent=row["absent"],
                raw_hash=row["raw_hash"],
            )
            for row in rows
        ]


async def ensure_stands(driver: asyncpg.Connection, run: Run) -> None:
    """Raises `StagedRowsGone` where the run is not at work here any more."""
    if not await driver.fetchval(_STANDS, run.place.district_id, run.run_id):
        raise StagedRowsGone("staged rows")
