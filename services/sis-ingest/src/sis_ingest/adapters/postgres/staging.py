"""Rows of snapshot runs in PostgreSQL: COPY in, compare as sets. Runs in the caller's transaction.

The comparison is the first sieve of `domain.changes.judge`; a test runs both on the same cases.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import Sieve, StagedRow

# Purpose: forget a run's rows. Rows: all of the run. Index: primary key.
_CLEAR: Final = "DELETE FROM sis_ingest.snapshot_row WHERE district_id = $1 AND run_id = $2"

# Purpose: whether a collection repeats an id at all. Rows: 1. Index: snapshot_row_record.
_REPEATS: Final = """
SELECT count(*) > count(DISTINCT external_id) FROM sis_ingest.snapshot_row
WHERE district_id = $1 AND run_id = $2 AND entity = $3
"""

# Purpose: keep the first row of each id. Rows: the repeated ones. Index: snapshot_row_record.
_DROP_REPEATED: Final = """
DELETE FROM sis_ingest.snapshot_row s USING (
    SELECT sort_key, row_number,
           row_number() OVER (PARTITION BY external_id ORDER BY row_number) AS place
    FROM sis_ingest.snapshot_row
    WHERE district_id = $1 AND run_id = $2 AND entity = $3
) r
WHERE s.district_id = $1 AND s.run_id = $2 AND s.entity = $3
  AND s.sort_key = r.sort_key AND s.row_number = r.row_number AND r.place > 1
RETURNING s.row_number
"""

# Purpose: compare a collection with what the source said. Rows: 1. Both sides are read once.
_SIEVE: Final = """
SELECT count(s.external_id) FILTER (WHERE r.deleted = s.deleted
           AND (s.deleted OR r.content_hash = s.content_hash)) AS same,
       count(s.external_id) AS staged,
       count(*) FILTER (WHERE s.external_id IS NULL AND NOT r.deleted) AS missing
FROM (SELECT * FROM sis_ingest.snapshot_row
      WHERE district_id = $1 AND run_id = $2 AND entity = $4) s
FULL JOIN (SELECT * FROM sis_ingest.source_record
           WHERE district_id = $1 AND source_id = $3 AND entity = $4) r
  ON r.external_id = s.external_id
"""

# Purpose: forget rows that say nothing new. Rows: all that are the same. One hash join.
_DROP_SAME: Final = """
DELETE FROM sis_ingest.snapshot_row s USING sis_ingest.source_record r
WHERE s.district_id = $1 AND s.run_id = $2 AND s.entity = $4
  AND r.district_id = $1 AND r.source_id = $3 AND r.entity = $4
  AND r.external_id = s.external_id AND r.deleted = s.deleted
  AND (s.deleted OR r.content_hash = s.content_hash)
"""

# Purpose: the next rows left. Rows: one batch. Index: primary key.
_DIFFERING: Final = """
SELECT row_number, external_id, sort_key, content_hash, deleted, data
FROM sis_ingest.snapshot_row
WHERE district_id = $1 AND run_id = $2 AND entity = $3 AND (sort_key, row_number) > ($4, $5)
ORDER BY sort_key, row_number LIMIT $6
"""

_COLUMNS: Final = (
    "district_id",
    "run_id",
    "entity",
    "sort_key",
    "row_number",
    "external_id",
    "content_hash",
    "deleted",
    "data",
)


class PostgresStaging:
    """`ports.Staging`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def clear(self, run: Run) -> None:
        """See the port."""
        await self._driver.execute(_CLEAR, run.place.district_id, run.run_id)

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
                    row.deleted,
                    row.body.decode(),
                )
                for row in rows
            ],
        )

    async def drop_repeated(self, run: Run, entity: Entity) -> Sequence[int]:
        """See the port. Also refreshes the planner's figures, which COPY leaves stale."""
        await self._driver.execute("ANALYZE sis_ingest.snapshot_row")
        keys = (run.place.district_id, run.run_id, entity)
        if not await self._driver.fetchval(_REPEATS, *keys):
            return ()
        rows = await self._driver.fetch(_DROP_REPEATED, *keys)
        return sorted(row["row_number"] for row in rows)

    async def sieve(self, run: Run, entity: Entity) -> Sieve:
        """See the port."""
        place = run.place
        # What was written since the last ANALYZE would be planned as an empty table.
        await self._driver.execute("ANALYZE sis_ingest.source_record")
        keys = (place.district_id, run.run_id, place.source_id, entity)
        (row,) = await self._driver.fetch(_SIEVE, *keys)
        await self._driver.execute(_DROP_SAME, *keys)
        return Sieve(
            same=row["same"], differing=row["staged"] - row["same"], missing=row["missing"]
        )

    async def differing(
        self, run: Run, entity: Entity, *, after: tuple[str, int], limit: int
    ) -> Sequence[StagedRow]:
        """See the port."""
        place = run.place
        rows = await self._driver.fetch(
            _DIFFERING, place.district_id, run.run_id, entity, *after, limit
        )
        return [
            StagedRow(
                row=row["row_number"],
                external_id=row["external_id"],
                sort_key=row["sort_key"],
                content_hash=row["content_hash"],
                deleted=row["deleted"],
                body=row["data"].encode(),
            )
            for row in rows
        ]
