"""`Tracer`: what a delivery caused here, and which copies of a person stand here. Reads only.

Ids, counts and codes; no name. Autocommit reads on the service's read pool.
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from roster_common.runtime.database import Database
from roster_common.runtime.trace import Copy, Step

_ACQUIRE_TIMEOUT_S: Final = 10.0
_READ_TIMEOUT_S: Final = 10.0

_WHAT: Final = {
    "published": "roster.published",
    "waiting": "roster.waiting",
    "named": "names.taken_over",
    "derived": "person.derived",
}

# One row per commit and kind; index on correlation_id.
_STEPS: Final = """
    SELECT district_id, what, detail, revision, at, records, entity, sourced_id
    FROM roster_publisher.cause
    WHERE correlation_id = $1 AND ($2::text[] IS NULL OR district_id = ANY($2::text[]))
    ORDER BY at, revision, what, detail LIMIT $3
"""

# A person's district first: ids are only unique within one. Primary keys; a row per district.
_RECORDS: Final = """
    SELECT d.district_id, o.entity, o.status, o.shown, o.stamp, o.correlation_id,
           (SELECT count(*) FROM roster_publisher.object e
            WHERE e.district_id = d.district_id AND e.user_id = $1 AND e.entity = 'enrollment'
              AND e.shown AND e.status = 'active') AS enrolments
    FROM roster_publisher.district_revision d
    JOIN roster_publisher.object o ON o.district_id = d.district_id
     AND o.entity IN ('user', 'demographics') AND o.sourced_id = $1
    WHERE $2::text[] IS NULL OR d.district_id = ANY($2::text[])
    ORDER BY d.district_id, o.entity DESC
"""

_STATE: Final = """
    SELECT d.district_id, p.phase, p.emitted_at, p.emitted_correlation_id, p.step, p.step_at,
           p.step_correlation_id
    FROM roster_publisher.district_revision d
    JOIN roster_publisher.person_state p ON p.district_id = d.district_id AND p.person_id = $1
    WHERE $2::text[] IS NULL OR d.district_id = ANY($2::text[])
    ORDER BY d.district_id
"""

_NAMES: Final = """
    SELECT d.district_id, a.target, a.event_time, a.correlation_id
    FROM roster_publisher.district_revision d
    JOIN roster_publisher.allocated_name a ON a.district_id = d.district_id AND a.person_id = $1
    WHERE $2::text[] IS NULL OR d.district_id = ANY($2::text[])
    ORDER BY d.district_id, a.target
"""


class PostgresTracer:
    """Answers from this service's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def steps(
        self, correlation_id: str, *, districts: Sequence[str] | None, limit: int
    ) -> Sequence[Step]:
        """What commits of this service did for the correlation id, oldest first."""
        rows = await self._fetch(_STEPS, correlation_id, districts, limit)
        return [_step(row) for row in rows]

    async def copies(self, person_id: str, *, districts: Sequence[str] | None) -> Sequence[Copy]:
        """The published user and demographics, what was concluded of the person, and names by
        target.
        """
        return [
            *[_record(row, person_id) for row in await self._fetch(_RECORDS, person_id, districts)],
            *[_state(row, person_id) for row in await self._fetch(_STATE, person_id, districts)],
            *[_names(row, person_id) for row in await self._fetch(_NAMES, person_id, districts)],
        ]

    async def _fetch(self, statement: str, *values: Any) -> Sequence[asyncpg.Record]:
        pool = await self._database.pool()
        async with pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(
                statement, *values, timeout=_READ_TIMEOUT_S
            )
        return rows


def _step(row: asyncpg.Record) -> Step:
    return Step(
        at=row["at"],
        what=_WHAT[row["what"]],
        district=row["district_id"],
        ids={"revision": str(row["revision"]), row["entity"]: row["sourced_id"]},
        count=row["records"],
        detail=row["detail"] or None,
    )


def _record(row: asyncpg.Record, person_id: str) -> Copy:
    return Copy(
        kind=row["entity"],
        where="roster",
        district=row["district_id"],
        id=person_id,
        state=row["status"] if row["shown"] else "hidden",
        at=row["stamp"],
        correlation_id=row["correlation_id"],
        detail=f"enrollments_active={row['enrolments']}" if row["entity"] == "user" else None,
    )


def _state(row: asyncpg.Record, person_id: str) -> Copy:
    step_is_last = row["step_at"] is not None and row["step_at"] >= row["emitted_at"]
    last = "step" if step_is_last else "emitted"
    return Copy(
        kind="person_state",
        where="roster.state",
        district=row["district_id"],
        id=person_id,
        state=row["phase"],
        at=row[f"{last}_at"],
        correlation_id=row[f"{last}_correlation_id"],
        detail=row["step"],
    )


def _names(row: asyncpg.Record, person_id: str) -> Copy:
    return Copy(
        kind="allocated_names",
        where=row["target"],
        district=row["district_id"],
        id=person_id,
        state="held",
        at=row["event_time"],
        correlation_id=row["correlation_id"],
    )
