"""Persons in PostgreSQL, written as sets with the raw driver."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from ticket_events.domain.ids import DistrictId, PersonId
from ticket_events.domain.person import KnownPerson

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
    SELECT p.district_id, p.person_id, p.school_id
    FROM unnest($1::text[], $2::text[]) AS r(district_id, person_id)
    JOIN ticket_events.person p ON p.district_id = r.district_id AND p.person_id = r.person_id
    WHERE p.school_id IS NOT NULL
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
        self, persons: Sequence[tuple[DistrictId, PersonId]]
    ) -> Mapping[tuple[DistrictId, PersonId], str]:
        """The school of each person that has one."""
        rows = await self._driver.fetch(_SCHOOLS, [d for d, _ in persons], [p for _, p in persons])
        return {(row["district_id"], row["person_id"]): row["school_id"] for row in rows}
