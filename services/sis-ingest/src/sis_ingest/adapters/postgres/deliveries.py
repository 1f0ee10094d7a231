"""The inbox in PostgreSQL: `sis_ingest.delivery`. Every method runs in the caller's transaction.

Bodies are sealed on the way in and opened on the way out (roster_common.runtime.sealing).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from roster_common.runtime.sealing import Seal
from sis_ingest.domain.deliveries import Delivery, DeliveryEnd, Place
from sis_ingest.domain.runs import Run
from sis_ingest.ports.stores import StoredDelivery

# Purpose: keep webhooks once each. Rows: those not here before. Index: delivery_once.
_PUT: Final = """
INSERT INTO sis_ingest.delivery
    (district_id, delivery_id, source_id, kind, external_id, correlation_id, received_at, headers,
     body)
SELECT district_id, delivery_id, source_id, 'webhook', external_id, correlation_id, received_at,
       headers, body
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
            $7::jsonb[], $8::bytea[]) WITH ORDINALITY
    AS d(district_id, delivery_id, source_id, external_id, correlation_id, received_at, headers,
         body, place)
ORDER BY place
ON CONFLICT ON CONSTRAINT delivery_once DO NOTHING
RETURNING delivery_id::text
"""

# Purpose: the ids under which repeated webhooks were kept. Rows: one each. Index: delivery_once.
_FIRST: Final = """
SELECT d.source_id, d.external_id, d.delivery_id::text, d.correlation_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS k(district_id, source_id, external_id)
JOIN sis_ingest.delivery d
  ON d.district_id = k.district_id AND d.source_id = k.source_id
 AND d.external_id = k.external_id
"""

# Purpose: the delivery behind a snapshot run. Rows: 1.
_PUT_FILE: Final = """
INSERT INTO sis_ingest.delivery
    (district_id, delivery_id, source_id, kind, external_id, correlation_id, received_at, sha256)
VALUES ($1, $2, $3, 'snapshot', $4, $5, $6, $7)
"""

# Purpose: the next webhooks of a source. Rows: up to the batch. Index: delivery_waiting.
_WAITING: Final = """
SELECT delivery_id, external_id, correlation_id, received_at, headers::text, body
FROM sis_ingest.delivery
WHERE district_id = $1 AND source_id = $2 AND state = 'waiting' AND kind = 'webhook'
ORDER BY seq LIMIT $3
"""

# Purpose: mark deliveries as done with, and when their source last had a success: one delivery that
# was applied, not only tried out, and held something. Rows: one per delivery. Index: primary keys.
_FINISH: Final = """
WITH done AS (
    UPDATE sis_ingest.delivery d
    SET state = e.state, reason = e.reason, applied_at = $5
    FROM unnest($2::uuid[], $3::text[], $4::text[]) AS e(delivery_id, state, reason)
    WHERE d.district_id = $1 AND d.delivery_id = e.delivery_id AND d.state = 'waiting'
    RETURNING e.state, e.reason
)
INSERT INTO sis_ingest.source_success AS s (district_id, source_id, at)
SELECT $1, $6, $5 WHERE EXISTS (
    SELECT FROM done WHERE state = 'applied'
      AND (reason IS NULL OR reason NOT IN ('dry_run', 'nothing_read')))
ON CONFLICT (district_id, source_id) DO UPDATE SET at = greatest(s.at, excluded.at)
"""


class PostgresDeliveries:
    """`ports.Deliveries`."""

    def __init__(self, driver: asyncpg.Connection, seal: Seal) -> None:
        self._driver = driver
        self._seal = seal

    async def put(self, deliveries: Sequence[Delivery]) -> Sequence[StoredDelivery]:
        """See the port. Waits for another transaction that is keeping one of them."""
        rows = await self._driver.fetch(
            _PUT,
            [d.place.district_id for d in deliveries],
            [d.delivery_id for d in deliveries],
            [d.place.source_id for d in deliveries],
            [d.external_id for d in deliveries],
            [d.correlation_id for d in deliveries],
            [d.received_at for d in deliveries],
            [orjson.dumps(d.headers).decode() for d in deliveries],
            [self._seal.seal(d.body or b"", bound_to=d.delivery_id) for d in deliveries],
        )
        fresh = {row["delivery_id"] for row in rows}
        first = await self._first([d for d in deliveries if d.delivery_id not in fresh])
        return [
            StoredDelivery(delivery_id=d.delivery_id, correlation_id=d.correlation_id, fresh=True)
            if d.delivery_id in fresh
            else first[d.place.source_id, d.external_id]
            for d in deliveries
        ]

    async def _first(
        self, repeated: Sequence[Delivery]
    ) -> Mapping[tuple[str, str], StoredDelivery]:
        if not repeated:
            return {}
        rows = await self._driver.fetch(
            _FIRST,
            [d.place.district_id for d in repeated],
            [d.place.source_id for d in repeated],
            [d.external_id for d in repeated],
        )
        return {
            (row["source_id"], row["external_id"]): StoredDelivery(
                delivery_id=row["delivery_id"],
                correlation_id=row["correlation_id"],
                fresh=False,
            )
            for row in rows
        }

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
                headers=orjson.loads(row["headers"]),
                body=self._seal.open(row["body"], bound_to=str(row["delivery_id"])),
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
            place.source_id,
        )
