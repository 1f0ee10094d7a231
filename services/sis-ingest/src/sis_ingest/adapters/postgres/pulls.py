"""Pulls in PostgreSQL: writes in the caller's transaction, reads on their own."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any, Final

import asyncpg
import orjson

from roster_common.runtime.database import Database
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.pulls import Pull, Section
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
    failures = $7, restarts = $8, reason = $9, run_id = $10, sections = $11::jsonb
WHERE district_id = $1 AND pull_id = $2
"""

# Purpose: the pull of a source to go on with. Rows: 0 or 1. Index: pull_open.
_OPEN: Final = """
SELECT * FROM sis_ingest.pull
WHERE district_id = $1 AND source_id = $2 AND state IN ('waiting', 'running')
"""

# Purpose: the last good pull. Rows: 0 or 1. Index: pull_newest.
_LAST: Final = """
SELECT * FROM sis_ingest.pull
WHERE district_id = $1 AND source_id = $2 AND state = 'completed' AND NOT dry_run
  AND ($3::text IS NULL OR mode = $3)
ORDER BY asked_at DESC LIMIT 1
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
    """`ports.pulls.Pulls`."""

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
        )


class PostgresPullDesk:
    """`ports.pulls.PullDesk`, on the raw read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, place: Place) -> Pull | None:
        """See the port."""
        return await self._one(_OPEN, place.district_id, place.source_id)

    async def last(self, place: Place, mode: PullMode | None) -> Pull | None:
        """See the port."""
        return await self._one(_LAST, place.district_id, place.source_id, mode)

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
        run_id=None if row["run_id"] is None else str(row["run_id"]),
        sections={name: Section(**section) for name, section in sections.items()},
    )
