"""Tickets in PostgreSQL. In the caller's transaction; rows travel as one JSON document each."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
import orjson

from ticket_events.adapters.postgres.causes import cause_of
from ticket_events.domain.ids import DistrictId, PersonId
from ticket_events.domain.ticket import Measure, Ticket, TicketFact, TicketHappening, Traits

_TRAITS = tuple(Traits.__slots__)
_FACT = (
    "desk, ticket_id, fact_key, happening, occurred_at, sequence, "
    + ", ".join(_TRAITS)
    + ", public, by_agent, into_ticket_id, correlation_id, causation_id, origin"
)
_TICKET = (
    "desk, ticket_id, state, "
    + ", ".join(_TRAITS)
    + ", correlation_id, changed_at, created_at, first_reply_at, first_solved_at,"
    " last_solved_at, ended_at, reopens"
)
_TICKET_NEW = ", ".join(f"{name} = excluded.{name}" for name in map(str.strip, _TICKET.split(",")))
# Rows: facts of one batch, by primary key; a repeated one is there already.
_ADD = f"""
    INSERT INTO ticket_events.ticket_fact (district_id, {_FACT}, recorded_at)
    SELECT $1, {_FACT}, $3
    FROM jsonb_populate_recordset(NULL::ticket_events.ticket_fact, $2::text::jsonb)
    ON CONFLICT (district_id, desk, ticket_id, fact_key) DO NOTHING
    RETURNING desk, ticket_id, fact_key
"""
# Rows: all facts of the tickets in one batch.
_FACTS = f"""
    SELECT {", ".join(f"f.{name.strip()}" for name in _FACT.split(","))}
    FROM unnest($2::text[], $3::text[]) AS r(desk, ticket_id)
    JOIN ticket_events.ticket_fact f
        ON f.district_id = $1 AND f.desk = r.desk AND f.ticket_id = r.ticket_id
"""
_PUT = f"""
    INSERT INTO ticket_events.ticket (district_id, {_TICKET})
    SELECT $1, {_TICKET}
    FROM jsonb_populate_recordset(NULL::ticket_events.ticket, $2::text::jsonb)
    ON CONFLICT (district_id, desk, ticket_id) DO UPDATE SET {_TICKET_NEW}
"""
# Rows: measures of the tickets in one batch; what returns is new or was corrected by a late fact.
_PUT_MEASURES = """
    INSERT INTO ticket_events.measure AS m (district_id, desk, ticket_id, kind, instance,
        minutes_calendar, minutes_business, measured_at)
    SELECT $1, desk, ticket_id, kind, instance, minutes_calendar, minutes_business, measured_at
    FROM jsonb_populate_recordset(NULL::ticket_events.measure, $2::text::jsonb)
    ON CONFLICT (district_id, desk, ticket_id, kind, instance) DO UPDATE SET
        minutes_calendar = excluded.minutes_calendar,
        minutes_business = excluded.minutes_business, measured_at = excluded.measured_at
    WHERE (m.minutes_calendar, m.minutes_business, m.measured_at) IS DISTINCT FROM
        (excluded.minutes_calendar, excluded.minutes_business, excluded.measured_at)
    RETURNING desk, ticket_id, kind, instance
"""
# Rows: open tickets of people who were merged; a pass over the district's, as merges are rare.
_TAKE_OVER = """
    UPDATE ticket_events.ticket t SET requester = r.now
    FROM unnest($2::text[], $3::text[]) AS r(was, now)
    WHERE t.district_id = $1 AND t.requester = r.was AND t.state = 'open'
"""


class PostgresTickets:
    """`ports.Tickets`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def add_facts(
        self, district_id: DistrictId, facts: Sequence[TicketFact], *, now: datetime
    ) -> frozenset[tuple[str, str, str]]:
        """See the port."""
        rows = await self._driver.fetch(_ADD, district_id, _json([_fact(f) for f in facts]), now)
        return frozenset((row["desk"], row["ticket_id"], row["fact_key"]) for row in rows)

    async def facts(
        self, district_id: DistrictId, tickets: Sequence[tuple[str, str]]
    ) -> Sequence[TicketFact]:
        """See the port."""
        rows = await self._driver.fetch(
            _FACTS, district_id, [desk for desk, _ in tickets], [number for _, number in tickets]
        )
        return [_fact_of(row) for row in rows]

    async def put(self, district_id: DistrictId, tickets: Sequence[Ticket]) -> None:
        """See the port."""
        await self._driver.execute(_PUT, district_id, _json([_ticket(t) for t in tickets]))

    async def put_measures(
        self, district_id: DistrictId, measures: Sequence[Measure]
    ) -> Sequence[Measure]:
        """See the port."""
        rows = await self._driver.fetch(
            _PUT_MEASURES, district_id, _json([_measure(m) for m in measures])
        )
        new = {(r["desk"], r["ticket_id"], r["kind"], r["instance"]) for r in rows}
        return [m for m in measures if (m.desk, m.ticket_id, m.kind.value, m.instance) in new]

    async def take_over(self, district_id: DistrictId, survivors: Mapping[str, PersonId]) -> None:
        """See the port."""
        await self._driver.execute(
            _TAKE_OVER, district_id, list(survivors), list(survivors.values())
        )


def _json(rows: Sequence[Mapping[str, object]]) -> str:
    return orjson.dumps(rows).decode()


def _fact(fact: TicketFact) -> Mapping[str, object]:
    return {
        "desk": fact.desk,
        "ticket_id": fact.ticket_id,
        "fact_key": fact.key,
        "happening": fact.happening.value,
        "occurred_at": fact.occurred_at,
        "sequence": fact.sequence,
        **_traits(fact.traits),
        "public": fact.public,
        "by_agent": fact.by_agent,
        "into_ticket_id": fact.into_ticket_id,
        "correlation_id": fact.cause.correlation_id,
        "causation_id": fact.cause.causation_id,
        "origin": fact.cause.origin,
    }


def _ticket(ticket: Ticket) -> Mapping[str, object]:
    return {
        "desk": ticket.desk,
        "ticket_id": ticket.ticket_id,
        "state": ticket.state.value,
        **_traits(ticket.traits),
        "correlation_id": ticket.correlation_id,
        "changed_at": ticket.changed_at,
        "created_at": ticket.created_at,
        "first_reply_at": ticket.first_reply_at,
        "first_solved_at": ticket.first_solved_at,
        "last_solved_at": ticket.last_solved_at,
        "ended_at": ticket.ended_at,
        "reopens": ticket.reopens,
    }


def _measure(measure: Measure) -> Mapping[str, object]:
    return {
        "desk": measure.desk,
        "ticket_id": measure.ticket_id,
        "kind": measure.kind.value,
        "instance": measure.instance,
        "minutes_calendar": measure.minutes.calendar,
        "minutes_business": measure.minutes.business,
        "measured_at": measure.at,
    }


def _traits(traits: Traits) -> Mapping[str, object]:
    return {name: getattr(traits, name) for name in _TRAITS}


def _fact_of(row: asyncpg.Record) -> TicketFact:
    return TicketFact(
        desk=row["desk"],
        ticket_id=row["ticket_id"],
        happening=TicketHappening(row["happening"]),
        occurred_at=row["occurred_at"],
        sequence=row["sequence"],
        traits=Traits(**{name: row[name] for name in _TRAITS}),
        public=row["public"],
        by_agent=row["by_agent"],
        into_ticket_id=row["into_ticket_id"],
        cause=cause_of(row),
    )
