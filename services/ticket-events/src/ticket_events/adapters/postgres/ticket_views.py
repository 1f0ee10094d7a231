"""Tickets for operators' pages, from the read pool; nothing here writes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from roster_common.runtime.database import Database
from ticket_events.domain.hours import SCHEDULE_ID
from ticket_events.ports import RowPage

_TIMEOUT_S = 10.0

# Rows: one page. Index: ticket_newest per district.
_TICKETS = """
    SELECT t.* FROM ticket_events.ticket t
    WHERE ($1::text[] IS NULL OR t.district_id = ANY($1)) AND ($2::text IS NULL OR t.state = $2)
    ORDER BY t.changed_at DESC, t.desk, t.ticket_id LIMIT $3 OFFSET $4
"""
_TOTAL = """
    SELECT count(*) FROM ticket_events.ticket t
    WHERE ($1::text[] IS NULL OR t.district_id = ANY($1)) AND ($2::text IS NULL OR t.state = $2)
"""
# What a group is called; text out of a closed list, never out of a request.
_GROUPS: Final[Mapping[str | None, str]] = {
    None: "''",
    "site": "coalesce(t.site_id, '')",
    "category": "coalesce(t.category, '')",
    "priority": "coalesce(t.priority, '')",
    "day": "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
# Merged and deleted tickets leave every figure.
_COUNTED: Final = (
    "($1::text[] IS NULL OR t.district_id = ANY($1)) AND t.state NOT IN ('merged', 'deleted')"
)


def _counts(by: str | None) -> str:
    """Rows: one per group and figure. Backlog is counted at the end of the period, and so once,
    not per day.
    """
    created, solved, reopened, at_end = (
        _GROUPS[by].format(moment)
        for moment in ("t.created_at", "t.first_solved_at", "f.occurred_at", "$3::timestamptz")
    )
    return f"""
        SELECT {created} AS name, 'created' AS figure, count(*) AS n FROM ticket_events.ticket t
        WHERE {_COUNTED} AND t.created_at >= $2 AND t.created_at < $3 GROUP BY 1
        UNION ALL
        SELECT {solved}, 'solved', count(*) FROM ticket_events.ticket t
        WHERE {_COUNTED} AND t.first_solved_at >= $2 AND t.first_solved_at < $3 GROUP BY 1
        UNION ALL
        SELECT {reopened}, 'reopened', count(*) FROM ticket_events.ticket_fact f
        JOIN ticket_events.ticket t ON t.district_id = f.district_id AND t.desk = f.desk
            AND t.ticket_id = f.ticket_id
        WHERE {_COUNTED} AND f.happening = 'reopened'
            AND f.occurred_at >= $2 AND f.occurred_at < $3 GROUP BY 1
        UNION ALL
        SELECT {at_end}, 'openBacklog', count(*) FROM ticket_events.ticket t
        WHERE {_COUNTED} AND t.created_at < $3 AND (t.ended_at IS NULL OR t.ended_at >= $3)
        GROUP BY 1
    """


def _durations(by: str | None) -> str:
    """Rows: one per group and measure. By the day of the reply or the solving."""
    name = _GROUPS[by].format("m.measured_at")
    return f"""
        SELECT {name} AS name, m.kind, count(*) AS n,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY m.minutes_calendar) AS median,
            percentile_cont(0.9) WITHIN GROUP (ORDER BY m.minutes_calendar) AS p90,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY m.minutes_business) AS median_business,
            percentile_cont(0.9) WITHIN GROUP (ORDER BY m.minutes_business) AS p90_business
        FROM ticket_events.measure m
        JOIN ticket_events.ticket t ON t.district_id = m.district_id AND t.desk = m.desk
            AND t.ticket_id = m.ticket_id
        WHERE {_COUNTED} AND m.measured_at >= $2 AND m.measured_at < $3 GROUP BY 1, 2
    """


_DEVICES = """
    SELECT
        (SELECT count(*) FROM ticket_events.asset_fact f
            WHERE ($1::text[] IS NULL OR f.district_id = ANY($1))
            AND f.happening = 'registered' AND f.occurred_at >= $2 AND f.occurred_at < $3)
            AS registered,
        (SELECT count(*) FROM ticket_events.asset_fact f
            WHERE ($1::text[] IS NULL OR f.district_id = ANY($1))
            AND f.happening IN ('assigned', 'checkedout')
            AND f.occurred_at >= $2 AND f.occurred_at < $3) AS assigned,
        (SELECT count(*) FROM ticket_events.asset_fact f
            WHERE ($1::text[] IS NULL OR f.district_id = ANY($1))
            AND f.happening = 'returned' AND f.occurred_at >= $2 AND f.occurred_at < $3)
            AS returned,
        (SELECT count(*) FROM ticket_events.collection c
            WHERE ($1::text[] IS NULL OR c.district_id = ANY($1))
            AND c.state = 'open') AS to_collect,
        (SELECT count(*) FROM ticket_events.device_request r
            WHERE ($1::text[] IS NULL OR r.district_id = ANY($1))
            AND r.state = 'open') AS requested
"""
_FIGURES = ("created", "solved", "reopened", "openBacklog")
_MEASURES = {
    "first_reply": "firstReply",
    "first_resolution": "firstResolution",
    "full_resolution": "fullResolution",
}


class PostgresTicketViews:
    """`ports.TicketViews`; each statement is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tickets(
        self, *, districts: Sequence[str] | None, state: str | None, limit: int, offset: int
    ) -> RowPage:
        """See the port."""
        pool = await self._database.pool()
        which = (None if districts is None else list(districts), state)
        rows = await pool.fetch(_TICKETS, *which, limit, offset, timeout=_TIMEOUT_S)
        total = await pool.fetchval(_TOTAL, *which, timeout=_TIMEOUT_S)
        return RowPage(rows=[_ticket(row) for row in rows], total=total)

    async def metrics(
        self,
        *,
        districts: Sequence[str] | None,
        since: datetime,
        until: datetime,
        by: str | None,
    ) -> Mapping[str, Any]:
        """See the port."""
        pool = await self._database.pool()
        which = (None if districts is None else list(districts), since, until)
        groups = [None] if by is None else [None, by]
        figures = [
            _figures(
                await pool.fetch(_counts(group), *which, timeout=_TIMEOUT_S),
                await pool.fetch(_durations(group), *which, timeout=_TIMEOUT_S),
            )
            for group in groups
        ]
        (devices,) = await pool.fetch(_DEVICES, *which, timeout=_TIMEOUT_S)
        return {
            "schedule": SCHEDULE_ID,
            "tickets": figures[0].get("") or _empty(),
            "groups": []
            if by is None
            else [{"key": key or None, **found} for key, found in sorted(figures[1].items())],
            "devices": {
                "registered": devices["registered"],
                "assigned": devices["assigned"],
                "returned": devices["returned"],
                "toCollect": devices["to_collect"],
                "requestedOpen": devices["requested"],
            },
        }


def _empty() -> dict[str, Any]:
    return {**dict.fromkeys(_FIGURES, 0), **dict.fromkeys(_MEASURES.values(), _duration(None))}


def _figures(
    counts: Sequence[asyncpg.Record], durations: Sequence[asyncpg.Record]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in counts:
        found.setdefault(row["name"], _empty())[row["figure"]] = row["n"]
    for row in durations:
        found.setdefault(row["name"], _empty())[_MEASURES[row["kind"]]] = _duration(row)
    return found


def _duration(row: asyncpg.Record | None) -> Mapping[str, Any]:
    """Minutes by the calendar and by business hours; None without any."""
    if row is None:
        none = {"median": None, "p90": None}
        return {"count": 0, "calendarMinutes": none, "businessMinutes": none}
    return {
        "count": row["n"],
        "calendarMinutes": {"median": row["median"], "p90": row["p90"]},
        "businessMinutes": {"median": row["median_business"], "p90": row["p90_business"]},
    }


def _ticket(row: asyncpg.Record) -> Mapping[str, Any]:
    moments = ("created_at", "first_reply_at", "first_solved_at", "last_solved_at", "ended_at")
    told = {name: None if row[name] is None else row[name].isoformat() for name in moments}
    return {
        "district": row["district_id"],
        "desk": row["desk"],
        "ticketId": row["ticket_id"],
        "state": row["state"],
        "status": row["status"],
        "priority": row["priority"],
        "category": row["category"],
        "site": row["site_id"],
        "requester": row["requester"],
        "device": row["device"],
        "createdAt": told["created_at"],
        "firstReplyAt": told["first_reply_at"],
        "firstSolvedAt": told["first_solved_at"],
        "lastSolvedAt": told["last_solved_at"],
        "endedAt": told["ended_at"],
        "reopens": row["reopens"],
        "changedAt": row["changed_at"].isoformat(),
        "correlationId": row["correlation_id"],
    }
