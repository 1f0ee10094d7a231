"""The inbox in PostgreSQL: `sis_ingest.delivery`. Every method runs in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from sis_ingest.domain.deliveries import Delivery, DeliveryEnd, Place
from sis_ingest.domain.runs import Run
from sis_ingest.ports import StoredDelivery

# Purpose: keep a webhook once. Rows: 0 or 1. Index: delivery_once.
_PUT: Final = """
INSERT INTO sis_ingest.delivery
    (district_id, delivery_id, source_id, kind, external_id, correlation_id, received_at, body)
VALUES ($1, $2, $3, 'webhook', $4, $5, $6, $7)
ON CONFLICT ON CONSTRAINT delivery_once DO NOTHING
"""

# Purpose: the ids under which a repeated webhook was kept. Rows: 1. Index: delivery_once.
_FIRST: Final = """
SELECT delivery_id, correlation_id FROM sis_ingest.delivery
WHERE district_id = $1 AND source_id = $2 AND external_id = $3
"""

# Purpose: the delivery behind a snapshot run. Rows: 1.
_PUT_FILE: Final = """
INSERT INTO sis_ingest.delivery
    (district_id, delivery_id, source_id, kind, external_id, correlation_id, received_at, sha256)
VALUES ($1, $2, $3, 'snapshot', $4, $5, $6, $7)
"""

# Purpose: the next webhooks of a source. Rows: up to the batch. Index: delivery_waiting.
_WAITING: Final = """
SELECT delivery_id, external_id, correlation_id, received_at, body FROM sis_ingest.delivery
WHERE district_id = $1 AND source_id = $2 AND state = 'waiting' AND kind = 'webhook'
ORDER BY seq LIMIT $3
"""

# Purpose: mark deliveries as done with. Rows: one per delivery. Index: primary key.
_FINISH: Final = """
UPDATE sis_ingest.delivery d
SET state = e.state, reason = e.reason, applied_at = $5
FROM unnest($2::uuid[], $3::text[], $4::text[]) AS e(delivery_id, state, reason)
WHERE d.district_id = $1 AND d.delivery_id = e.delivery_id AND d.state = 'waiting'
"""


class PostgresDeliveries:
    """`ports.Deliveries`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def put(self, delivery: Delivery) -> StoredDelivery:
        """See the port. Waits for another transaction that is keeping the same delivery."""
        place = delivery.place
        status = await self._driver.execute(
            _PUT,
            place.district_id,
            delivery.delivery_id,
            place.source_id,
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
            _FIRST, place.district_id, place.source_id, delivery.external_id
        )
        return StoredDelivery(
            delivery_id=str(row["delivery_id"]),
            correlation_id=row["correlation_id"],
            fresh=False,
        )

    async def put_file(self, run: Run) -> None:
        """See the port."""
        await self._driver.execute(
            _PUT_FILE,
            run.place.district_id,
            run.delivery_id,
            run.place.source_id,
            f"run/{run.run_id}",
            run.correlation_id,
            run.received_at,
            run.sha256,
        )

    async def waiting(self, place: Place, *, limit: int) -> Sequence[Delivery]:
        """See the port."""
        rows = await self._driver.fetch(_WAITING, place.district_id, place.source_id, limit)
        return [
            Delivery(
                delivery_id=str(row["delivery_id"]),
                place=place,
                external_id=row["external_id"],
                correlation_id=row["correlation_id"],
                received_at=row["received_at"],
                body=row["body"],
            )
            for row in rows
        ]

    async def finish(self, place: Place, ends: Sequence[DeliveryEnd], *, now: datetime) -> None:
        """See the port. A delivery already done with stays as it is."""
        await self._driver.execute(
            _FINISH,
            place.district_id,
            [end.delivery_id for end in ends],
            [end.state for end in ends],
            [end.outcome for end in ends],
            now,
        )
