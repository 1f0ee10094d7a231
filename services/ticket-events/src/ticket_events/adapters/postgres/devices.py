"""Devices in PostgreSQL, written as sets with the raw driver. In the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from ticket_events.domain.device import AssetFact, Device, DeviceStatus
from ticket_events.domain.ids import DeviceId, DistrictId, PersonId
from ticket_events.domain.imports import FileReport

COLUMNS = """district_id, device_id, asset_tag, serial, model, status, holder_id, site_id,
    funding_source, purchased_on"""

# Rows: devices of one file. Index: device_tag.
_BY_TAG = f"""
    SELECT {COLUMNS} FROM ticket_events.device WHERE district_id = $1 AND asset_tag = ANY($2)
"""
_TAGS = """
    SELECT serial, asset_tag FROM ticket_events.device
    WHERE district_id = $1 AND serial = ANY($2)
"""
# Rows: devices of one batch of tickets. Our own id wins over a tag that looks like one.
_BY_REF = """
    SELECT asset_tag AS ref, device_id FROM ticket_events.device
    WHERE district_id = $1 AND asset_tag = ANY($2)
    UNION ALL
    SELECT device_id AS ref, device_id FROM ticket_events.device
    WHERE district_id = $1 AND device_id = ANY($2)
"""
# Index: device_holder. As Device.held_by.
_HOLDERS = """
    SELECT DISTINCT holder_id FROM ticket_events.device
    WHERE district_id = $1 AND holder_id = ANY($2) AND status NOT IN ('lost', 'stolen', 'retired')
"""
# Rows: what one file changed, by primary key.
_PUT = f"""
    INSERT INTO ticket_events.device AS d ({COLUMNS}, correlation_id, changed_at)
    SELECT r.*, $11, $12
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::text[], $8::text[], $9::text[], $10::date[])
        AS r({COLUMNS})
    ON CONFLICT (district_id, device_id) DO UPDATE SET
        serial = excluded.serial, model = excluded.model, status = excluded.status,
        holder_id = excluded.holder_id, site_id = excluded.site_id,
        funding_source = excluded.funding_source, purchased_on = excluded.purchased_on,
        correlation_id = excluded.correlation_id, changed_at = excluded.changed_at
"""
_ADD_FACTS = """
    INSERT INTO ticket_events.asset_fact (district_id, device_id, happening, occurred_at,
        holder_id, site_id, status, ticket_id, correlation_id, origin)
    SELECT r.district_id, r.device_id, r.happening, r.occurred_at, r.holder_id, r.site_id,
        r.status, r.ticket_id, r.correlation_id, r.origin
    FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[],
        $7::text[], $8::text[], $9::text[], $10::text[])
        WITH ORDINALITY AS r(district_id, device_id, happening, occurred_at, holder_id, site_id,
            status, ticket_id, correlation_id, origin, place)
    ORDER BY r.place
"""
# Rows: 1; one pass over the district's held devices.
_UNKNOWN_HOLDERS = """
    SELECT count(*) FROM ticket_events.device d
    WHERE d.district_id = $1 AND d.holder_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM ticket_events.person p
            WHERE p.district_id = d.district_id AND p.person_id = d.holder_id)
        AND NOT EXISTS (SELECT FROM ticket_events.presence p
            WHERE p.district_id = d.district_id AND p.person_id = d.holder_id)
"""
_ADD_FILE = """
    INSERT INTO ticket_events.inventory_file (district_id, file_id, correlation_id, received_at,
        read, new, changed, unchanged, refused)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


class PostgresDevices:
    """`ports.Devices`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def by_tag(
        self, district_id: DistrictId, asset_tags: Sequence[str]
    ) -> Mapping[str, Device]:
        """See the port."""
        rows = await self._driver.fetch(_BY_TAG, district_id, list(asset_tags))
        return {row["asset_tag"]: device_of(row) for row in rows}

    async def tags_of_serials(
        self, district_id: DistrictId, serials: Sequence[str]
    ) -> Mapping[str, str]:
        """See the port."""
        rows = await self._driver.fetch(_TAGS, district_id, list(serials))
        return {row["serial"]: row["asset_tag"] for row in rows}

    async def by_ref(self, district_id: DistrictId, refs: Sequence[str]) -> Mapping[str, DeviceId]:
        """See the port."""
        rows = await self._driver.fetch(_BY_REF, district_id, list(refs)) if refs else ()
        return {row["ref"]: DeviceId(row["device_id"]) for row in rows}

    async def holders(
        self, district_id: DistrictId, person_ids: Sequence[PersonId]
    ) -> frozenset[PersonId]:
        """See the port."""
        rows = await self._driver.fetch(_HOLDERS, district_id, list(person_ids))
        return frozenset(PersonId(row["holder_id"]) for row in rows)

    async def put(self, devices: Sequence[Device], *, correlation_id: str, now: datetime) -> None:
        """See the port."""
        await self._driver.execute(
            _PUT,
            [d.district_id for d in devices],
            [d.device_id for d in devices],
            [d.asset_tag for d in devices],
            [d.serial for d in devices],
            [d.model for d in devices],
            [d.status.value for d in devices],
            [d.holder_id for d in devices],
            [d.site_id for d in devices],
            [d.funding_source for d in devices],
            [d.purchased_on for d in devices],
            correlation_id,
            now,
        )

    async def add_facts(self, facts: Sequence[AssetFact]) -> None:
        """See the port."""
        await self._driver.execute(
            _ADD_FACTS,
            [f.device.district_id for f in facts],
            [f.device.device_id for f in facts],
            [f.happening.value for f in facts],
            [f.at for f in facts],
            [f.holder_id for f in facts],
            [f.device.site_id for f in facts],
            [f.device.status.value for f in facts],
            [f.ticket_id for f in facts],
            [f.cause.correlation_id for f in facts],
            [f.cause.origin for f in facts],
        )

    async def count_unknown_holders(self, district_id: DistrictId) -> int:
        """See the port."""
        found: int = await self._driver.fetchval(_UNKNOWN_HOLDERS, district_id)
        return found

    async def add_file(
        self,
        district_id: DistrictId,
        file_id: str,
        report: FileReport,
        *,
        correlation_id: str,
        now: datetime,
    ) -> None:
        """See the port."""
        await self._driver.execute(
            _ADD_FILE,
            district_id,
            file_id,
            correlation_id,
            now,
            report.read,
            report.new,
            report.changed,
            report.unchanged,
            len(report.refusals),
        )


def device_of(row: asyncpg.Record) -> Device:
    """A stored row as a domain value."""
    return Device(
        district_id=DistrictId(row["district_id"]),
        device_id=DeviceId(row["device_id"]),
        asset_tag=row["asset_tag"],
        serial=row["serial"],
        model=row["model"],
        status=DeviceStatus(row["status"]),
        holder_id=None if row["holder_id"] is None else PersonId(row["holder_id"]),
        site_id=row["site_id"],
        funding_source=row["funding_source"],
        purchased_on=row["purchased_on"],
    )
