"""Persons in PostgreSQL, written as sets with the raw driver."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from ticket_events.adapters.postgres.causes import cause_of
from ticket_events.domain.ids import DistrictId, PersonId
from ticket_events.domain.person import KnownPerson
from ticket_events.domain.presence import Presence

# Rows: one batch of the log, by primary key. Unchanged rows are not written.
_PUT = """
    INSERT INTO ticket_events.person AS p
        (district_id, person_id, active, role, school_id, changed_at)
    SELECT r.district_id, r.person_id, r.active, r.role, r.school_id, $6
    FROM unnest($1::text[], $2::text[], $3::boolean[], $4::text[], $5::text[])
        AS r(district_id, person_id, active, role, school_id)
    ORDER BY r.district_id, r.person_id
    ON CONFLICT (district_id, person_id) DO UPDATE SET
        active = excluded.active, role = excluded.role, school_id = excluded.school_id,
        changed_at = excluded.changed_at
    WHERE (p.active, p.role, p.school_id)
        IS DISTINCT FROM (excluded.active, excluded.role, excluded.school_id)
    RETURNING p.person_id
"""
_ERASE = """
    DELETE FROM ticket_events.person p
    USING unnest($1::text[], $2::text[]) AS r(district_id, person_id)
    WHERE p.district_id = r.district_id AND p.person_id = r.person_id
"""
_SCHOOLS = """
    SELECT person_id, school_id FROM ticket_events.person
    WHERE district_id = $1 AND person_id = ANY($2) AND school_id IS NOT NULL
"""
_KNOWN = """
    SELECT person_id FROM ticket_events.person WHERE district_id = $1 AND person_id = ANY($2)
    UNION
    SELECT person_id FROM ticket_events.presence WHERE district_id = $1 AND person_id = ANY($2)
"""
_PRESENCES = """
    SELECT person_id, leaving_id, correlation_id, causation_id, origin, since, merged_into
    FROM ticket_events.presence WHERE district_id = $1 AND person_id = ANY($2)
"""
# Rows: persons of one batch who came or went, by primary key.
_PUT_PRESENCES = """
    INSERT INTO ticket_events.presence
        (district_id, person_id, leaving_id, correlation_id, causation_id, origin, since,
         merged_into)
    SELECT $1, r.* FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::timestamptz[], $8::text[]) AS r
    ON CONFLICT (district_id, person_id) DO UPDATE SET
        leaving_id = excluded.leaving_id, correlation_id = excluded.correlation_id,
        causation_id = excluded.causation_id, origin = excluded.origin, since = excluded.since,
        merged_into = excluded.merged_into
"""
# Rows: ids of one file or batch, and the few merges behind each; primary key. UNION ends a circle.
_SURVIVORS = """
    WITH RECURSIVE step AS (
        SELECT person_id AS was, merged_into AS now FROM ticket_events.presence
        WHERE district_id = $1 AND person_id = ANY($2) AND merged_into IS NOT NULL
        UNION
        SELECT s.was, p.merged_into FROM step s JOIN ticket_events.presence p
            ON p.district_id = $1 AND p.person_id = s.now AND p.merged_into IS NOT NULL
    )
    SELECT was, now FROM step s WHERE NOT EXISTS (SELECT FROM ticket_events.presence p
        WHERE p.district_id = $1 AND p.person_id = s.now AND p.merged_into IS NOT NULL)
"""


class PostgresPeople:
    """Persons, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def put(self, persons: Sequence[KnownPerson], *, now: datetime) -> int:
        """Store; returns how many changed."""
        rows = await self._driver.fetch(
            _PUT,
            [p.district_id for p in persons],
            [p.person_id for p in persons],
            [p.active for p in persons],
            [p.role for p in persons],
            [p.school_id for p in persons],
            now,
        )
        return len(rows)

    async def erase(self, persons: Sequence[tuple[DistrictId, PersonId]]) -> None:
        """Forget them."""
        await self._driver.execute(_ERASE, [d for d, _ in persons], [p for _, p in persons])

    async def schools(
        self, district_id: DistrictId, person_ids: Sequence[PersonId]
    ) -> Mapping[PersonId, str]:
        """The school of each person that has one."""
        rows = await self._driver.fetch(_SCHOOLS, district_id, list(person_ids))
        return {PersonId(row["person_id"]): row["school_id"] for row in rows}

    async def known(self, district_id: DistrictId, refs: Sequence[str]) -> frozenset[str]:
        """Those of `refs` that are ids of persons."""
        rows = await self._driver.fetch(_KNOWN, district_id, list(refs)) if refs else ()
        return frozenset(row["person_id"] for row in rows)

    async def presences(
        self, district_id: DistrictId, person_ids: Sequence[PersonId]
    ) -> Mapping[PersonId, Presence]:
        """Who is here and who left."""
        rows = await self._driver.fetch(_PRESENCES, district_id, list(person_ids))
        return {
            PersonId(row["person_id"]): Presence(
                person_id=PersonId(row["person_id"]),
                leaving_id=row["leaving_id"],
                cause=cause_of(row),
                since=row["since"],
                merged_into=row["merged_into"],
            )
            for row in rows
        }

    async def put_presences(self, district_id: DistrictId, changed: Sequence[Presence]) -> None:
        """Store; the newest word counts."""
        await self._driver.execute(
            _PUT_PRESENCES,
            district_id,
            [one.person_id for one in changed],
            [one.leaving_id for one in changed],
            [one.cause.correlation_id for one in changed],
            [one.cause.causation_id for one in changed],
            [one.cause.origin for one in changed],
            [one.since for one in changed],
            [one.merged_into for one in changed],
        )

    async def survivors(
        self, district_id: DistrictId, refs: Sequence[str]
    ) -> Mapping[str, PersonId]:
        """For those of `refs` that are ids ended in a merge: the id that stands for each now."""
        rows = await self._driver.fetch(_SURVIVORS, district_id, list(refs)) if refs else ()
        return {row["was"]: PersonId(row["now"]) for row in rows}
