"""Snapshot runs in PostgreSQL: writes in the caller's transaction, reads on their own."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson

from roster_common.runtime.database import Database
from sis_ingest.adapters.postgres.reports import from_json, to_json
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.runs import Run

# Purpose: keep a new run. Rows: 1.
_ADD: Final = """
INSERT INTO sis_ingest.run (district_id, run_id, source_id, delivery_id, correlation_id, state,
    file_name, file_bytes, sha256, received_at, as_of, dry_run, pulled, replay_id, unchanged)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::jsonb)
"""

# Purpose: overwrite what moves. Rows: 1. Index: primary key.
_SAVE: Final = """
UPDATE sis_ingest.run SET state = $3, origin = $4, started_at = $5, finished_at = $6,
    attempts = $7, percent = $8, reason = $9, report = $10::jsonb
WHERE district_id = $1 AND run_id = $2
"""

# Purpose: was a snapshot of the source ever completed that held something. Rows: 1. Small table.
_COMPLETED: Final = """
SELECT EXISTS (SELECT FROM sis_ingest.run
    WHERE district_id = $1 AND source_id = $2 AND state = 'completed' AND NOT dry_run
      AND reason IS DISTINCT FROM 'nothing_read')
"""

# Purpose: remember which collections were stated as a whole. Rows: up to 7. Index: primary key.
_STATED: Final = """
INSERT INTO sis_ingest.source_statement AS s (district_id, source_id, entity, as_of, run_id)
SELECT $1, $2, e.entity, e.as_of, $3
FROM unnest($4::text[], $5::timestamptz[]) AS e(entity, as_of)
ON CONFLICT (district_id, source_id, entity) DO UPDATE
SET as_of = excluded.as_of, run_id = excluded.run_id WHERE s.as_of < excluded.as_of
"""

# Purpose: one run by its id. Rows: 0 or 1. Index: run_id.
# house: no-district — a run id is unique over all districts; the door checks whose it is
_GET: Final = "SELECT * FROM sis_ingest.run WHERE run_id = $1"

# Purpose: the oldest open run of each source. Rows: one per source. Index: run_open.
# house: no-district — a few workers serve every district
_OPEN: Final = """
SELECT DISTINCT ON (source_id) * FROM sis_ingest.run
WHERE state IN ('waiting', 'running') AND source_id = ANY($1::text[]) AND replay_id IS NULL
ORDER BY source_id, received_at
"""

# Purpose: a page of runs, newest first. Rows: one page. Index: run_received.
_PAGE: Final = """
SELECT *, count(*) OVER () AS total FROM sis_ingest.run
WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR source_id = $2)
  AND ($3::text IS NULL OR state = $3)
ORDER BY received_at DESC, run_id DESC LIMIT $4 OFFSET $5
"""

# Purpose: how many runs there are beyond the last page. Rows: 1. Index: run_received.
_TOTAL: Final = """
SELECT count(*) FROM sis_ingest.run
WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR source_id = $2)
  AND ($3::text IS NULL OR state = $3)
"""

# Purpose: when each source was last heard of with success. Rows: one per source. Small table.
# house: no-district — readiness is of the whole process; a source binds one district
_SUCCESSES: Final = "SELECT source_id, at FROM sis_ingest.source_success"

# Purpose: which sources have webhooks waiting. Rows: few. Index: delivery_waiting.
# house: no-district — one worker serves every district; what it reads next names its own
_SOURCES_WAITING: Final = """
SELECT DISTINCT source_id FROM sis_ingest.delivery WHERE state = 'waiting' AND kind = 'webhook'
"""

# Purpose: how much waits, for readiness. Rows: 1. Index: delivery_waiting.
# house: no-district — readiness is of the whole process
_BACKLOG: Final = """
SELECT count(*) AS deliveries,
       coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 AS oldest_s
FROM sis_ingest.delivery WHERE state = 'waiting' AND kind = 'webhook'
"""

# Purpose: resolved records of a district, by entity. Rows: up to 7. Index: primary key.
_COUNTS: Final = """
SELECT entity, count(*) FILTER (WHERE NOT deleted) AS active,
       count(*) FILTER (WHERE deleted) AS deleted
FROM sis_ingest.resolved_record WHERE district_id = $1 AND told GROUP BY entity
"""


class PostgresRuns:
    """`ports.Runs`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def add(self, run: Run) -> None:
        """See the port."""
        await self._driver.execute(
            _ADD,
            run.place.district_id,
            run.run_id,
            run.place.source_id,
            run.delivery_id,
            run.correlation_id,
            run.state,
            run.file_name,
            run.file_bytes,
            run.sha256,
            run.received_at,
            run.as_of,
            run.dry_run,
            run.pulled,
            run.replay_id,
            orjson.dumps(run.unchanged).decode(),
        )

    async def save(self, run: Run) -> None:
        """See the port."""
        await self._driver.execute(
            _SAVE,
            run.place.district_id,
            run.run_id,
            run.state,
            run.origin,
            run.started_at,
            run.finished_at,
            run.attempts,
            run.percent,
            run.reason,
            orjson.dumps(to_json(run.report)).decode(),
        )

    async def completed_before(self, place: Place) -> bool:
        """See the port."""
        return bool(await self._driver.fetchval(_COMPLETED, place.district_id, place.source_id))

    async def stated(self, run: Run, entities: Sequence[Entity]) -> None:
        """See the port."""
        place = run.place
        await self._driver.execute(
            _STATED,
            place.district_id,
            place.source_id,
            run.run_id,
            list(entities),
            [run.moment(entity) for entity in entities],
        )


class PostgresRunDesk:
    """`ports.RunDesk`, on the raw read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, run_id: str) -> Run | None:
        """See the port."""
        try:
            wanted = uuid.UUID(run_id)
        except ValueError:
            return None
        row = await (await self._database.pool()).fetchrow(_GET, wanted)
        return None if row is None else to_run(row)

    async def open(self, source_ids: Sequence[str]) -> Sequence[Run]:
        """See the port."""
        rows = await (await self._database.pool()).fetch(_OPEN, list(source_ids))
        return sorted((to_run(row) for row in rows), key=lambda run: run.received_at)

    async def page(
        self,
        districts: Collection[str] | None,
        source_id: str | None,
        state: str | None,
        *,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[Run]]:
        """See the port."""
        wanted = (None if districts is None else list(districts), source_id, state)
        pool = await self._database.pool()
        rows = await pool.fetch(_PAGE, *wanted, limit, offset)
        total = rows[0]["total"] if rows else await pool.fetchval(_TOTAL, *wanted)
        return total, [to_run(row) for row in rows]

    async def successes(self) -> Mapping[str, datetime]:
        """See the port."""
        rows = await (await self._database.pool()).fetch(_SUCCESSES)
        return {row["source_id"]: row["at"] for row in rows}

    async def sources_waiting(self) -> Sequence[str]:
        """See the port."""
        rows = await (await self._database.pool()).fetch(_SOURCES_WAITING)
        return [row["source_id"] for row in rows]

    async def counts(self, district_id: str) -> Mapping[str, Any]:
        """A district's resolved records by entity, for the status page."""
        rows = await (await self._database.pool()).fetch(_COUNTS, district_id)
        return {
            "districtId": district_id,
            "records": {
                row["entity"]: {"active": row["active"], "deleted": row["deleted"]} for row in rows
            },
        }

    async def backlog(self) -> Mapping[str, float]:
        """Webhooks waiting and the age of the oldest in seconds, for readiness."""
        (row,) = await (await self._database.pool()).fetch(_BACKLOG)
        return {"waiting": row["deliveries"], "oldestSeconds": round(row["oldest_s"], 3)}


def to_run(row: Any) -> Run:
    """A row of `run` as the domain knows it. A pool gives JSON as text, a transaction read."""
    return Run(
        run_id=str(row["run_id"]),
        delivery_id=str(row["delivery_id"]),
        correlation_id=row["correlation_id"],
        place=Place(district_id=row["district_id"], source_id=row["source_id"]),
        state=row["state"],
        origin=row["origin"],
        file_name=row["file_name"],
        file_bytes=row["file_bytes"],
        sha256=row["sha256"],
        received_at=row["received_at"],
        as_of=row["as_of"],
        unchanged={
            file: datetime.fromisoformat(at) for file, at in _parsed(row["unchanged"]).items()
        },
        dry_run=row["dry_run"],
        pulled=row["pulled"],
        replay_id=None if row["replay_id"] is None else str(row["replay_id"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        attempts=row["attempts"],
        percent=row["percent"],
        reason=row["reason"],
        report=from_json(_parsed(row["report"])),
    )


def _parsed(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value
