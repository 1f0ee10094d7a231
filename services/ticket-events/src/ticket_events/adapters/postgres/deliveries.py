"""The inbox of desks in PostgreSQL: `ticket_events.delivery`. In the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from ticket_events.domain.delivery import Delivery, DeliveryEnd, StoredDelivery
from ticket_events.domain.ids import DistrictId
from ticket_events.ports import Desk

# Rows: 0 or 1. Index: delivery_once.
_PUT = """
    INSERT INTO ticket_events.delivery
        (district_id, delivery_id, desk, external_id, correlation_id, received_at, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT ON CONSTRAINT delivery_once DO NOTHING
"""
_FIRST = """
    SELECT delivery_id, correlation_id FROM ticket_events.delivery
    WHERE district_id = $1 AND desk = $2 AND external_id = $3
"""
# Rows: up to the batch. Index: delivery_waiting.
_WAITING = """
    SELECT delivery_id, external_id, correlation_id, received_at, body
    FROM ticket_events.delivery
    WHERE district_id = $1 AND desk = $2 AND state = 'waiting' ORDER BY seq LIMIT $3
"""
_FINISH = """
    UPDATE ticket_events.delivery d SET state = e.state, reason = e.reason, applied_at = $5
    FROM unnest($2::text[], $3::text[], $4::text[]) AS e(delivery_id, state, reason)
    WHERE d.district_id = $1 AND d.delivery_id = e.delivery_id AND d.state = 'waiting'
"""


class PostgresDeliveries:
    """`ports.Deliveries`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def put(self, delivery: Delivery) -> StoredDelivery:
        """See the port. Waits for another transaction that is keeping the same delivery."""
        status = await self._driver.execute(
            _PUT,
            delivery.district_id,
            delivery.delivery_id,
            delivery.desk,
            delivery.external_id,
            delivery.correlation_id,
            delivery.received_at,
            delivery.body,
        )
        if status == "INSERT 0 1":
            return StoredDelivery(
                delivery_id=delivery.delivery_id,
                correlation_id=delivery.correlation_id,
                fresh=True,
            )
        (row,) = await self._driver.fetch(
            _FIRST, delivery.district_id, delivery.desk, delivery.external_id
        )
        return StoredDelivery(
            delivery_id=row["delivery_id"], correlation_id=row["correlation_id"], fresh=False
        )

    async def waiting(self, desk: Desk, *, limit: int) -> Sequence[Delivery]:
        """See the port."""
        rows = await self._driver.fetch(_WAITING, desk.district_id, desk.desk_id, limit)
        return [
            Delivery(
                district_id=desk.district_id,
                delivery_id=row["delivery_id"],
                desk=desk.desk_id,
                external_id=row["external_id"],
                correlation_id=row["correlation_id"],
                received_at=row["received_at"],
                body=row["body"],
            )
            for row in rows
        ]

    async def finish(
        self, district_id: DistrictId, ends: Sequence[DeliveryEnd], *, now: datetime
    ) -> None:
        """See the port."""
        await self._driver.execute(
            _FINISH,
            district_id,
            [end.delivery_id for end in ends],
            [end.state for end in ends],
            [end.outcome for end in ends],
            now,
        )
