"""Pulls in PostgreSQL: writes in the caller's transaction, reads on their own."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson

from roster_common.runtime.database import Database
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.pulls import Pull, Section, Standing
from sis_ingest.domain.schedule import PullMode

# Purpose: keep a new pull, one open at a time. Rows: 0 or 1. Index: pull_open.
_ADD: Final = """
INSERT INTO sis_ingest.pull
    (district_id, pull_id, source_id, correlation_id, mode, state, asked_at, since, dry_run)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (district_id, source_id) WHERE state IN ('waiting', 'running') DO NOTHING
RETURNING pull_id
"""

# Purpose: overwrite what moves. Rows: 1. Index: primary key.
_SAVE: Final = """
UPDATE sis_ingest.pull SET state = $3, mark = $4, started_at = $5, finished_at = $6,
    failures = $7, restarts = $8, reason = $9, run_id = $10, sections = $11::jsonb,
    mode = $12, since = $13, full_because = $14
WHERE district_id = $1 AND pull_id = $2
"""

# Purpose: the pull of a source to go on with. Rows: 0 or 1. Index: pull_open.
_OPEN: Final = """
SELECT * FROM sis_ingest.pull
WHERE district_id = $1 AND source_id = $2 AND state IN ('waiting', 'running')
"""

# Purpose: the last pull that came into the truth; a full one of nothing did not. Rows: 0 or 1.
# Index: pull_newest, run's key.
_LAST: Final = """
SELECT p.* FROM sis_ingest.pull p
JOIN sis_ingest.run r ON r.district_id = p.district_id AND r.run_id = p.run_id
WHERE p.district_id = $1 AND p.source_id = $2 AND p.state = 'completed' AND NOT p.dry_run
  AND ($3::text IS NULL OR p.mode = $3) AND r.state = 'completed'
  AND r.reason IS DISTINCT FROM 'nothing_read'
ORDER BY p.asked_at DESC LIMIT 1
"""

# Purpose: how sources stand; a pull whose run did not end well, or read nothing, is none. Rows: one
# per source. Index: pull_newest, the key of run.
_STANDINGS: Final = """
SELECT p.source_id, good.finished_at AS good_at, newest.state, newest.refused_at,
       coalesce(newest.importing, false) AS importing,
       coalesce(newest.failures, 0) AS failures, newest.reason
FROM unnest($1::text[], $2::text[]) AS p(district_id, source_id)
LEFT JOIN LATERAL (
    SELECT pull.finished_at FROM sis_ingest.pull
    JOIN sis_ingest.run r ON r.district_id = pull.district_id AND r.run_id = pull.run_id
    WHERE pull.district_id = p.district_id AND pull.source_id = p.source_id
      AND pull.state = 'completed' AND NOT pull.dry_run AND r.state = 'completed'
      AND r.reason IS DISTINCT FROM 'nothing_read'
    ORDER BY pull.asked_at DESC LIMIT 1) AS good ON true
LEFT JOIN LATERAL (
    SELECT CASE WHEN lost THEN 'failed' ELSE pull.state END AS state,
           CASE WHEN lost THEN r.reason ELSE pull.reason END AS reason,
           r.state IN ('waiting', 'running') AS importing, pull.failures,
           CASE WHEN lost THEN r.finished_at END AS refused_at
    FROM sis_ingest.pull
    LEFT JOIN sis_ingest.run r ON r.district_id = pull.district_id AND r.run_id = pull.run_id
    CROSS JOIN LATERAL (
        SELECT r.state IN ('refused', 'failed') OR r.reason = 'nothing_read' AS lost) AS l
    WHERE pull.district_id = p.district_id AND pull.source_id = p.source_id
    ORDER BY pull.asked_at DESC LIMIT 1) AS newest ON true
"""

# Purpose: which pulls are not over. Rows: few. Index: pull_id.
# house: no-district — a pull id is unique over all districts; its folder names no district
_OPEN_OF: Final = """
SELECT pull_id::text FROM sis_ingest.pull
WHERE pull_id = ANY($1::uuid[]) AND state IN ('waiting', 'running')
"""

# Purpose: end pulls that nobody will ever take up, because their source is pulled no more. Rows:
# few. Small table.
# house: no-district — time is over for every district alike
_END_ORPHANS: Final = """
UPDATE sis_ingest.pull p SET state = 'failed', reason = 'unknown_source', finished_at = $2
WHERE state IN ('waiting', 'running') AND asked_at < $1
  AND NOT EXISTS (SELECT FROM unnest($3::text[], $4::text[]) AS pulled(district_id, source_id)
                  WHERE pulled.district_id = p.district_id AND pulled.source_id = p.source_id)
"""

# Purpose: forget old pulls, but not the newest of each kind and end. Rows: few. Small table.
# house: no-district — time is over for every district alike
_FORGET: Final = """
WITH ended AS (
    SELECT p.district_id, p.pull_id, p.finished_at, row_number() OVER (
        PARTITION BY p.district_id, p.source_id, p.mode, p.state, p.dry_run, r.state
        ORDER BY p.asked_at DESC) AS place
    FROM sis_ingest.pull p
    LEFT JOIN sis_ingest.run r ON r.district_id = p.district_id AND r.run_id = p.run_id
    WHERE p.state IN ('completed', 'failed')
), gone AS (
    DELETE FROM sis_ingest.pull p USING ended e
    WHERE p.district_id = e.district_id AND p.pull_id = e.pull_id
      AND e.place > 1 AND e.finished_at < $1
    RETURNING true
)
SELECT count(*) FROM gone
"""

# Purpose: one pull by its id. Rows: 0 or 1. Index: pull_id.
# house: no-district — a pull id is unique over all districts; the door checks whose it is
_GET: Final = "SELECT * FROM sis_ingest.pull WHERE pull_id = $1"

# Purpose: how many pulls an operator may see. Rows: 1. Small table.
_COUNT: Final = """
SELECT count(*) FROM sis_ingest.pull
WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR source_id = $2)
"""

# Purpose: a page of them, newest first. Rows: the limit. Small table.
_PAGE: Final = """
SELECT * FROM sis_ingest.pull
WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR source_id = $2)
ORDER BY asked_at DESC, pull_id LIMIT $3 OFFSET $4
"""


class PostgresPulls:
    """`ports.pull_stores.Pulls`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def add(self, pull: Pull) -> bool:
        """See the port."""
        added = await self._driver.fetchval(
            _ADD,
            pull.place.district_id,
            pull.pull_id,
            pull.place.source_id,
            pull.correlation_id,
            pull.mode,
            pull.state,
            pull.asked_at,
            pull.since,
            pull.dry_run,
        )
        return added is not None

    async def save(self, pull: Pull) -> None:
        """See the port."""
        await self._driver.execute(
            _SAVE,
            pull.place.district_id,
            pull.pull_id,
            pull.state,
            pull.mark,
            pull.started_at,
            pull.finished_at,
            pull.failures,
            pull.restarts,
            pull.reason,
            pull.run_id,
            orjson.dumps({name: asdict(one) for name, one in pull.sections.items()}).decode(),
            pull.mode,
            pull.since,
            pull.full_because,
        )

    async def open_of(self, pull_ids: Sequence[str]) -> frozenset[str]:
        """See the port."""
        rows = await self._driver.fetch(_OPEN_OF, list(pull_ids))
        return frozenset(row["pull_id"] for row in rows)

    async def end_orphans(
        self, *, before: datetime, now: datetime, places: Sequence[Place]
    ) -> None:
        """See the port."""
        await self._driver.execute(
            _END_ORPHANS,
            before,
            now,
            [one.district_id for one in places],
            [one.source_id for one in places],
        )

    async def forget(self, *, before: datetime) -> int:
        """See the port."""
        return int(await self._driver.fetchval(_FORGET, before))


class PostgresPullDesk:
    """`ports.pull_stores.PullDesk`, on the raw read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, place: Place) -> Pull | None:
        """See the port."""
        return await self._one(_OPEN, place.district_id, place.source_id)

    async def last(self, place: Place, mode: PullMode | None) -> Pull | None:
        """See the port."""
        return await self._one(_LAST, place.district_id, place.source_id, mode)

    async def standings(self, places: Sequence[Place]) -> Mapping[str, Standing]:
        """See the port."""
        rows = await (await self._database.pool()).fetch(
            _STANDINGS, [one.district_id for one in places], [one.source_id for one in places]
        )
        return {
            row["source_id"]: Standing(
                good_at=row["good_at"],
                state=row["state"],
                failures=row["failures"],
                reason=row["reason"],
                importing=row["importing"],
                refused_at=row["refused_at"],
            )
            for row in rows
        }

    async def get(self, pull_id: str) -> Pull | None:
        """See the port."""
        try:
            wanted = uuid.UUID(pull_id)
        except ValueError:
            return None
        return await self._one(_GET, wanted)

    async def page(
        self, districts: Collection[str] | None, source_id: str | None, *, limit: int, offset: int
    ) -> tuple[int, Sequence[Pull]]:
        """See the port."""
        pool = await self._database.pool()
        seen = (None if districts is None else list(districts), source_id)
        total = await pool.fetchval(_COUNT, *seen)
        rows = await pool.fetch(_PAGE, *seen, limit, offset)
        return total, [_pull(row) for row in rows]

    async def _one(self, statement: str, *values: object) -> Pull | None:
        row = await (await self._database.pool()).fetchrow(statement, *values)
        return None if row is None else _pull(row)


def _pull(row: Any) -> Pull:
    sections = orjson.loads(row["sections"])
    return Pull(
        pull_id=str(row["pull_id"]),
        correlation_id=row["correlation_id"],
        place=Place(district_id=row["district_id"], source_id=row["source_id"]),
        mode=row["mode"],
        state=row["state"],
        asked_at=row["asked_at"],
        since=row["since"],
        mark=row["mark"],
        dry_run=row["dry_run"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        failures=row["failures"],
        restarts=row["restarts"],
        reason=row["reason"],
        full_because=row["full_because"],
        run_id=None if row["run_id"] is None else str(row["run_id"]),
        sections={name: Section(**section) for name, section in sections.items()},
    )
