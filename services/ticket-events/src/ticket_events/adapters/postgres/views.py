"""Reads for operators' pages, from the read pool; nothing here writes."""

from collections.abc import Sequence

from roster_common.runtime.database import Database
from ticket_events.adapters.postgres.requests import request_of
from ticket_events.domain.ids import DistrictId
from ticket_events.ports import DistrictCounts, RequestPage

_TIMEOUT_S = 10.0

# Rows: one page; index device_request_newest per district.
_REQUESTS = """
    SELECT * FROM ticket_events.device_request
    WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR person_id = $2)
    ORDER BY requested_at DESC, request_id DESC LIMIT $3 OFFSET $4
"""
_TOTAL = """
    SELECT count(*) FROM ticket_events.device_request
    WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR person_id = $2)
"""
_PERSONS = """
    SELECT district_id, count(*) AS n FROM ticket_events.person
    WHERE $1::text[] IS NULL OR district_id = ANY($1) GROUP BY district_id ORDER BY district_id
"""
_STATES = """
    SELECT district_id, state, count(*) AS n FROM ticket_events.device_request
    WHERE $1::text[] IS NULL OR district_id = ANY($1) GROUP BY district_id, state
"""
# house: no-district — a desk's id is unique over the installation and binds one district
_DESKS_WAITING = """
    SELECT DISTINCT desk FROM ticket_events.delivery WHERE state = 'waiting' ORDER BY desk
"""


# house: no-district — how the whole installation stands. Index: delivery_waiting.
_BACKLOG = """
    SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8
        AS oldest_s FROM ticket_events.delivery WHERE state = 'waiting'
"""


class PostgresViews:
    """Pages over the read pool; each statement is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def requests(
        self,
        *,
        districts: Sequence[str] | None,
        person_id: str | None,
        limit: int,
        offset: int,
    ) -> RequestPage:
        """Newest first."""
        pool = await self._database.pool()
        which = (None if districts is None else list(districts), person_id)
        rows = await pool.fetch(_REQUESTS, *which, limit, offset, timeout=_TIMEOUT_S)
        total = await pool.fetchval(_TOTAL, *which, timeout=_TIMEOUT_S)
        return RequestPage(requests=[request_of(row) for row in rows], total=total)

    async def counts(self, *, districts: Sequence[str] | None) -> Sequence[DistrictCounts]:
        """One entry per district, sorted."""
        pool = await self._database.pool()
        which = None if districts is None else list(districts)
        persons = await pool.fetch(_PERSONS, which, timeout=_TIMEOUT_S)
        states = await pool.fetch(_STATES, which, timeout=_TIMEOUT_S)
        by_district = {row["district_id"]: row["n"] for row in persons}
        found = sorted(by_district.keys() | {row["district_id"] for row in states})
        return [
            DistrictCounts(
                district_id=DistrictId(district_id),
                persons=by_district.get(district_id, 0),
                requests={
                    row["state"]: row["n"] for row in states if row["district_id"] == district_id
                },
            )
            for district_id in found
        ]

    async def backlog(self) -> tuple[int, float]:
        """How many deliveries wait, and for how many seconds the oldest has."""
        pool = await self._database.pool()
        (row,) = await pool.fetch(_BACKLOG, timeout=_TIMEOUT_S)
        return row["waiting"], row["oldest_s"]

    async def desks_waiting(self) -> Sequence[str]:
        """Desks whose inbox is not empty. Index: delivery_waiting."""
        pool = await self._database.pool()
        return [row["desk"] for row in await pool.fetch(_DESKS_WAITING, timeout=_TIMEOUT_S)]
