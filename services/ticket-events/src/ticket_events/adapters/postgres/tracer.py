"""Where a change, and every copy of a person, is in this service; nothing here writes."""

from collections.abc import Sequence

from roster_common.runtime.database import Database
from roster_common.runtime.trace import Copy, Step

_TIMEOUT_S = 10.0
_IN = "AND ($2::text[] IS NULL OR district_id = ANY($2))"

# Rows: at most $3. What a file does to many is one line per kind, with a count.
# Indexes: the ..._correlation of each table.
_STEPS = f"""
    SELECT * FROM (
        SELECT received_at AS at, 'delivery.accepted' AS what, district_id, 'delivery' AS kind,
            delivery_id AS id, 1::bigint AS n, desk AS detail
        FROM ticket_events.delivery WHERE correlation_id = $1 {_IN}
        UNION ALL
        SELECT applied_at, 'delivery.' || state, district_id, 'delivery', delivery_id, 1, reason
        FROM ticket_events.delivery WHERE correlation_id = $1 {_IN} AND applied_at IS NOT NULL
        UNION ALL
        SELECT received_at, 'inventory.imported', district_id, 'file', file_id, read, NULL
        FROM ticket_events.inventory_file WHERE correlation_id = $1 {_IN}
        UNION ALL
        SELECT min(occurred_at),
            CASE happening WHEN 'collectionrequested' THEN 'device.collectionrequested'
                ELSE 'asset.' || happening END,
            district_id, 'device', CASE count(*) WHEN 1 THEN min(device_id) END, count(*), NULL
        FROM ticket_events.asset_fact WHERE correlation_id = $1 {_IN}
        GROUP BY district_id, happening
        UNION ALL
        SELECT requested_at, 'device.requested', district_id, 'request', request_id, 1, state
        FROM ticket_events.device_request WHERE correlation_id = $1 {_IN}
        UNION ALL
        SELECT min(ended_at), 'request.' || state, district_id, 'request',
            CASE count(*) WHEN 1 THEN min(request_id) END, count(*), NULL
        FROM ticket_events.device_request WHERE ended_correlation_id = $1 {_IN}
        GROUP BY district_id, state
        UNION ALL
        SELECT min(recorded_at), 'ticket.' || happening, district_id, 'ticket',
            CASE count(*) WHEN 1 THEN min(ticket_id) END, count(*), desk
        FROM ticket_events.ticket_fact WHERE correlation_id = $1 {_IN}
        GROUP BY district_id, happening, desk
    ) AS step ORDER BY at, what LIMIT $3
"""
# Rows: few; every copy of one person. Indexes: primary keys, device_holder.
_COPIES = f"""
    SELECT * FROM (
        SELECT 'presence' AS kind, 'presence' AS place, district_id, person_id AS id,
            CASE WHEN leaving_id IS NULL THEN 'here' ELSE 'left' END AS state, since AS at,
            correlation_id, NULL AS detail
        FROM ticket_events.presence WHERE person_id = $1 {_IN}
        UNION ALL
        SELECT 'person', 'person', district_id, person_id,
            CASE WHEN active THEN 'active' ELSE 'inactive' END, changed_at, NULL, school_id
        FROM ticket_events.person WHERE person_id = $1 {_IN}
        UNION ALL
        SELECT 'device_request', 'device_request', district_id, request_id, state, requested_at,
            correlation_id, NULL
        FROM ticket_events.device_request WHERE person_id = $1 {_IN} AND state = 'open'
        UNION ALL
        SELECT 'device', 'device', district_id, device_id, status, changed_at, correlation_id,
            asset_tag
        FROM ticket_events.device WHERE holder_id = $1 {_IN}
        UNION ALL
        SELECT 'collection', 'collection', district_id, collection_id, state, changed_at,
            correlation_id, device_id
        FROM ticket_events.collection WHERE person_id = $1 {_IN} AND state = 'open'
        UNION ALL
        SELECT 'ticket', desk, district_id, ticket_id, state, changed_at, correlation_id, NULL
        FROM ticket_events.ticket
        WHERE requester = $1 {_IN} AND state = 'open' AND category IS DISTINCT FROM
            'device_collection'
    ) AS copy ORDER BY district_id, kind, id
"""


class PostgresTracer:
    """`roster_common.runtime.trace.Tracer`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def steps(
        self, correlation_id: str, *, districts: Sequence[str] | None, limit: int
    ) -> Sequence[Step]:
        """What happened here for this correlation id, oldest first."""
        pool = await self._database.pool()
        which = None if districts is None else list(districts)
        rows = await pool.fetch(_STEPS, correlation_id, which, limit, timeout=_TIMEOUT_S)
        return [
            Step(
                at=row["at"],
                what=row["what"],
                district=row["district_id"],
                ids={} if row["id"] is None else {row["kind"]: row["id"]},
                count=row["n"] if row["n"] > 1 else None,
                detail=row["detail"],
            )
            for row in rows
        ]

    async def copies(self, person_id: str, *, districts: Sequence[str] | None) -> Sequence[Copy]:
        """Every copy of the person here."""
        pool = await self._database.pool()
        which = None if districts is None else list(districts)
        rows = await pool.fetch(_COPIES, person_id, which, timeout=_TIMEOUT_S)
        return [
            Copy(
                kind=row["kind"],
                where=row["place"],
                district=row["district_id"],
                id=row["id"],
                state=row["state"],
                at=row["at"],
                correlation_id=row["correlation_id"],
                detail=row["detail"],
            )
            for row in rows
        ]
