"""Collection tasks in PostgreSQL. In the caller's transaction."""

from collections.abc import Sequence

import asyncpg

from ticket_events.adapters.postgres.causes import cause_of
from ticket_events.adapters.postgres.devices import COLUMNS, device_of
from ticket_events.domain.collection import Collection, CollectionState
from ticket_events.domain.device import Device
from ticket_events.domain.ids import DeviceId, DistrictId, PersonId

# Rows: devices of one batch. Indexes: primary key, device_holder, collection_device.
_DEVICES = f"""
    SELECT {COLUMNS} FROM ticket_events.device d
    WHERE d.district_id = $1 AND d.device_id IN (
        SELECT unnest($2::text[])
        UNION
        SELECT h.device_id FROM ticket_events.device h
        WHERE h.district_id = $1 AND h.holder_id = ANY($3)
        UNION
        SELECT c.device_id FROM ticket_events.collection c
        WHERE c.district_id = $1 AND c.person_id = ANY($3) AND c.state = 'open'
    )
"""
_TASKS = """
    SELECT collection_id, person_id, device_id, leaving_id, state, site_id, turn,
        correlation_id, causation_id, origin, changed_at
    FROM ticket_events.collection WHERE district_id = $1 AND device_id = ANY($2)
"""
_PUT = """
    INSERT INTO ticket_events.collection
        (district_id, collection_id, person_id, device_id, leaving_id, state, site_id, turn,
         correlation_id, causation_id, origin, requested_at, changed_at)
    SELECT $1, r.collection_id, r.person_id, r.device_id, r.leaving_id, r.state, r.site_id,
        r.turn, r.correlation_id, r.causation_id, r.origin, r.changed_at, r.changed_at
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::integer[], $9::text[], $10::text[], $11::text[], $12::timestamptz[])
        AS r(collection_id, person_id, device_id, leaving_id, state, site_id, turn,
             correlation_id, causation_id, origin, changed_at)
    ON CONFLICT (district_id, collection_id) DO UPDATE SET
        state = excluded.state, turn = excluded.turn, changed_at = excluded.changed_at,
        correlation_id = excluded.correlation_id, causation_id = excluded.causation_id,
        origin = excluded.origin
"""


class PostgresCollections:
    """`ports.Collections`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def around(
        self,
        district_id: DistrictId,
        *,
        device_ids: Sequence[DeviceId],
        person_ids: Sequence[PersonId],
    ) -> tuple[Sequence[Device], Sequence[Collection]]:
        """See the port."""
        rows = await self._driver.fetch(_DEVICES, district_id, list(device_ids), list(person_ids))
        devices = [device_of(row) for row in rows]
        tasks = await self._driver.fetch(_TASKS, district_id, [d.device_id for d in devices])
        return devices, [_collection(row) for row in tasks]

    async def put(self, district_id: DistrictId, collections: Sequence[Collection]) -> None:
        """See the port."""
        await self._driver.execute(
            _PUT,
            district_id,
            [c.collection_id for c in collections],
            [c.person_id for c in collections],
            [c.device_id for c in collections],
            [c.leaving_id for c in collections],
            [c.state.value for c in collections],
            [c.site_id for c in collections],
            [c.turn for c in collections],
            [c.cause.correlation_id for c in collections],
            [c.cause.causation_id for c in collections],
            [c.cause.origin for c in collections],
            [c.changed_at for c in collections],
        )


def _collection(row: asyncpg.Record) -> Collection:
    return Collection(
        collection_id=row["collection_id"],
        person_id=PersonId(row["person_id"]),
        device_id=DeviceId(row["device_id"]),
        leaving_id=row["leaving_id"],
        state=CollectionState(row["state"]),
        site_id=row["site_id"],
        turn=row["turn"],
        cause=cause_of(row),
        changed_at=row["changed_at"],
    )
