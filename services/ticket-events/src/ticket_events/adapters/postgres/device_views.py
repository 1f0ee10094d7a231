"""Devices for operators' pages, from the read pool; nothing here writes."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import asyncpg

from roster_common.runtime.database import Database
from ticket_events.domain.ids import DistrictId
from ticket_events.ports import RowPage

_TIMEOUT_S = 10.0

_WHERE = """
    WHERE ($1::text[] IS NULL OR d.district_id = ANY($1)) AND ($2::text IS NULL OR d.holder_id = $2)
        AND ($3::text IS NULL OR d.site_id = $3) AND ($4::text IS NULL OR d.status = $4)
"""
# The school beside the site shows what a school move left behind.
_SELECT = """
    SELECT d.*, p.school_id AS holder_school_id, s.leaving_id IS NOT NULL AS holder_left,
        p.person_id IS NOT NULL OR s.person_id IS NOT NULL AS holder_known,
        c.collection_id, c.state AS collection_state
    FROM ticket_events.device d
    LEFT JOIN ticket_events.person p
        ON p.district_id = d.district_id AND p.person_id = d.holder_id
    LEFT JOIN ticket_events.presence s
        ON s.district_id = d.district_id AND s.person_id = d.holder_id
    LEFT JOIN ticket_events.collection c
        ON c.district_id = d.district_id AND c.device_id = d.device_id AND c.state = 'open'
"""
# Rows: one page. Index: device_tag per district.
_DEVICES = f"""
    {_SELECT} {_WHERE}
    ORDER BY d.district_id, d.asset_tag LIMIT $5 OFFSET $6
"""
# house: no-district — the district stands in _WHERE
_TOTAL = f"SELECT count(*) FROM ticket_events.device d {_WHERE}"
# A device's id is unique over all districts; the token's districts decide who sees it.
_DEVICE = f"""
    {_SELECT} WHERE d.device_id = $1 AND ($2::text[] IS NULL OR d.district_id = ANY($2))
"""
# Rows: one device's life. Index: asset_fact_device.
_HISTORY = """
    SELECT happening, occurred_at, holder_id, site_id, status, ticket_id, correlation_id
    FROM ticket_events.asset_fact WHERE district_id = $1 AND device_id = $2
    ORDER BY fact_id LIMIT 1000
"""
# Rows: 1; the first rows of two primary keys.
_KNOWS = """
    SELECT EXISTS (SELECT FROM ticket_events.person WHERE district_id = $1)
        OR EXISTS (SELECT FROM ticket_events.presence WHERE district_id = $1)
"""


class PostgresDeviceViews:
    """`ports.DeviceViews`; each statement is a transaction of its own."""

    def __init__(self, database: Database, desk_districts: Set[str]) -> None:
        self._database = database
        self._desk_districts = desk_districts

    async def devices(
        self,
        *,
        districts: Sequence[str] | None,
        holder: str | None,
        site: str | None,
        state: str | None,
        limit: int,
        offset: int,
    ) -> RowPage:
        """See the port."""
        pool = await self._database.pool()
        which = (None if districts is None else list(districts), holder, site, state)
        rows = await pool.fetch(_DEVICES, *which, limit, offset, timeout=_TIMEOUT_S)
        total = await pool.fetchval(_TOTAL, *which, timeout=_TIMEOUT_S)
        return RowPage(rows=[_device(row) for row in rows], total=total)

    async def knows(self, district_id: DistrictId) -> bool:
        """See the port."""
        if district_id in self._desk_districts:
            return True
        pool = await self._database.pool()
        return bool(await pool.fetchval(_KNOWS, district_id, timeout=_TIMEOUT_S))

    async def device(
        self, device_id: str, *, districts: Sequence[str] | None
    ) -> Mapping[str, Any] | None:
        """See the port."""
        pool = await self._database.pool()
        which = None if districts is None else list(districts)
        row = await pool.fetchrow(_DEVICE, device_id, which, timeout=_TIMEOUT_S)
        if row is None:
            return None
        facts = await pool.fetch(_HISTORY, row["district_id"], device_id, timeout=_TIMEOUT_S)
        return {**_device(row), "history": [_fact(fact) for fact in facts]}


def _device(row: asyncpg.Record) -> Mapping[str, Any]:
    bought = row["purchased_on"]
    return {
        "assetId": row["device_id"],
        "district": row["district_id"],
        "assetTag": row["asset_tag"],
        "serial": row["serial"],
        "model": row["model"],
        "state": row["status"],
        "holder": row["holder_id"],
        "holderKnown": None if row["holder_id"] is None else row["holder_known"],
        "holderLeft": None if row["holder_id"] is None else row["holder_left"],
        "holderSchool": row["holder_school_id"],
        "site": row["site_id"],
        "fundingSource": row["funding_source"],
        "purchasedOn": None if bought is None else bought.isoformat(),
        "collection": row["collection_id"],
        "changedAt": row["changed_at"].isoformat(),
        "correlationId": row["correlation_id"],
    }


def _fact(row: asyncpg.Record) -> Mapping[str, Any]:
    return {
        "what": row["happening"],
        "at": row["occurred_at"].isoformat(),
        "holder": row["holder_id"],
        "site": row["site_id"],
        "state": row["status"],
        "ticketId": row["ticket_id"],
        "correlationId": row["correlation_id"],
    }
