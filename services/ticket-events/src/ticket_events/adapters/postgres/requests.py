"""Device requests in PostgreSQL, written as sets with the raw driver."""

from collections.abc import Sequence

import asyncpg

from ticket_events.domain.cause import Cause
from ticket_events.domain.device_request import DeviceRequest, Left, RequestState
from ticket_events.domain.ids import DistrictId, PersonId, RequestId
from ticket_events.domain.presence import Presence

# Rows: students who joined in one batch. Either unique index makes a replay find its row.
_ADD = """
    INSERT INTO ticket_events.device_request
        (district_id, request_id, person_id, school_id, role, reason, state,
         correlation_id, causation_id, origin, requested_at)
    SELECT r.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::text[], $8::text[], $9::text[], $10::text[], $11::timestamptz[])
        AS r(district_id, request_id, person_id, school_id, role, reason, state,
             correlation_id, causation_id, origin, requested_at)
    ON CONFLICT DO NOTHING
    RETURNING request_id
"""
_CANCEL = """
    UPDATE ticket_events.device_request q SET state = 'cancelled', ended_at = now(),
        ended_correlation_id = r.correlation_id
    FROM unnest($1::text[], $2::text[], $3::text[]) AS r(district_id, person_id, correlation_id)
    WHERE q.district_id = r.district_id AND q.person_id = r.person_id AND q.state = 'open'
    RETURNING q.request_id
"""
# Rows: people of one batch who came back. Index: device_request_ended.
_CANCELLED_BY = """
    SELECT q.person_id
    FROM unnest($2::text[], $3::text[]) AS r(person_id, correlation_id)
    JOIN ticket_events.device_request q ON q.district_id = $1 AND q.person_id = r.person_id
        AND q.ended_correlation_id = r.correlation_id AND q.state = 'cancelled'
"""
# Rows: people who were given a device. Index: device_request_open.
_FULFIL = """
    UPDATE ticket_events.device_request SET state = 'fulfilled', ended_at = now(),
        ended_correlation_id = $3
    WHERE district_id = $1 AND person_id = ANY($2) AND state = 'open'
    RETURNING request_id
"""
# Rows: at most one. Index: device_request_open.
_MOVE = """
    UPDATE ticket_events.device_request q SET person_id = $3
    WHERE q.district_id = $1 AND q.person_id = $2 AND q.state = 'open'
        AND NOT EXISTS (SELECT FROM ticket_events.device_request o
            WHERE o.district_id = $1 AND o.person_id = $3 AND o.state = 'open')
    RETURNING q.*
"""


class PostgresRequests:
    """Device requests, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def add(self, requests: Sequence[DeviceRequest]) -> Sequence[DeviceRequest]:
        """Store those that are new; returns them."""
        rows = await self._driver.fetch(
            _ADD,
            [r.district_id for r in requests],
            [r.request_id for r in requests],
            [r.person_id for r in requests],
            [r.school_id for r in requests],
            [r.role for r in requests],
            [r.reason for r in requests],
            [r.state.value for r in requests],
            [r.cause.correlation_id for r in requests],
            [r.cause.causation_id for r in requests],
            [r.cause.origin for r in requests],
            [r.requested_at for r in requests],
        )
        added = {row["request_id"] for row in rows}
        return [request for request in requests if request.request_id in added]

    async def cancel(self, left: Sequence[Left]) -> int:
        """Cancel open requests of people who left; returns how many."""
        rows = await self._driver.fetch(
            _CANCEL,
            [step.district_id for step in left],
            [step.person_id for step in left],
            [step.cause.correlation_id for step in left],
        )
        return len(rows)

    async def cancelled_by(
        self, district_id: DistrictId, left: Sequence[Presence]
    ) -> frozenset[PersonId]:
        """See the port."""
        rows = await self._driver.fetch(
            _CANCELLED_BY,
            district_id,
            [one.person_id for one in left],
            [one.cause.correlation_id for one in left],
        )
        return frozenset(PersonId(row["person_id"]) for row in rows)

    async def fulfil(
        self, district_id: DistrictId, person_ids: Sequence[PersonId], *, cause: Cause
    ) -> int:
        """End open requests of people who have a device now; returns how many."""
        rows = await self._driver.fetch(
            _FULFIL, district_id, list(person_ids), cause.correlation_id
        )
        return len(rows)

    async def take_over(
        self, district_id: DistrictId, ended: PersonId, survivor: PersonId, *, cause: Cause
    ) -> Sequence[DeviceRequest]:
        """See the port."""
        moved = await self._driver.fetch(_MOVE, district_id, ended, survivor)
        if not moved:
            await self.cancel([Left(district_id=district_id, person_id=ended, cause=cause)])
        return [request_of(row) for row in moved]


def request_of(row: asyncpg.Record) -> DeviceRequest:
    """A stored row as a domain value."""
    return DeviceRequest(
        district_id=DistrictId(row["district_id"]),
        request_id=RequestId(row["request_id"]),
        person_id=PersonId(row["person_id"]),
        school_id=row["school_id"],
        role=row["role"],
        reason=row["reason"],
        state=RequestState(row["state"]),
        requested_at=row["requested_at"],
        cause=Cause(
            correlation_id=row["correlation_id"],
            causation_id=row["causation_id"],
            origin=row["origin"],
        ),
    )
