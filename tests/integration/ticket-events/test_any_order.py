"""Files, people and desks, mixed in any order and repeated, end in one state and tell each fact once.

The use cases run here on the real database, without the service around them.
"""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import asyncpg
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_common.contracts.envelope import new_event
from roster_common.runtime.clock import SystemClock, Uuid7Ids
from roster_common.runtime.database import Database
from ticket_events.adapters.events import NewsToEvent
from ticket_events.adapters.postgres.unit import PostgresUnits
from ticket_events.domain.cause import Cause
from ticket_events.domain.device_request import Joined, Left
from ticket_events.domain.ids import DistrictId, PersonId
from ticket_events.domain.inventory import read_inventory
from ticket_events.domain.ticket import TicketFact, TicketHappening, Traits
from ticket_events.usecases.follow_merges import FollowMerges
from ticket_events.usecases.follow_people import FollowPeople
from ticket_events.usecases.import_devices import ImportDevices
from ticket_events.usecases.record_tickets import RecordTickets
from ticket_events.usecases.request_devices import RequestDevices
from ticket_events.usecases.settle_collections import SettleCollections

HEADER = "assetTag,serial,model,status,holder,site"
CLOCK, IDS = SystemClock(), Uuid7Ids()
START = datetime(2026, 9, 1, 8, tzinfo=UTC)

_PEOPLE = st.sampled_from(["ada", "ben"])
_STEPS = st.one_of(
    st.tuples(
        st.just("file"), st.sampled_from(["A-1", "A-2"]), st.sampled_from(["ada", "ben", ""])
    ),
    st.tuples(st.just("lost"), st.sampled_from(["A-1", "A-2"]), _PEOPLE),
    st.tuples(st.just("joined"), _PEOPLE, st.just("")),
    st.tuples(st.just("left"), _PEOPLE, st.just("")),
)
_FACTS = ("created", "comment_added", "comment_added", "solved", "reopened", "solved", "closed")


class House:
    """One district; applies steps and remembers what must hold by a model of its own."""

    def __init__(self, database: Database, district: str) -> None:
        self.district = DistrictId(district)
        self.database = database
        record = RecordTickets(clock=CLOCK)
        self.units = PostgresUnits(database, NewsToEvent(self._event))
        settle = SettleCollections(clock=CLOCK, ids=IDS, record=record)
        self.record = record
        self.follow = FollowPeople(
            clock=CLOCK,
            request=RequestDevices(clock=CLOCK, ids=IDS),
            take_over=FollowMerges(clock=CLOCK),
            settle=settle,
        )
        self.take = ImportDevices(units=self.units, clock=CLOCK, ids=IDS, settle=settle)
        self.devices: dict[str, tuple[str, str]] = {}
        self.here: dict[str, bool] = {}
        self.leavings: Counter[str] = Counter()
        self.waiting: set[str] = set()
        self.hardly_away: dict[str, bool] = {}
        self.asked: Counter[str] = Counter()

    def _event(self, data, **more):
        return new_event(
            data, event_id=IDS.new_id(), time=CLOCK.now(), service="ticket-events", **more
        )

    async def step(self, step, *, number: int) -> None:
        """Apply one step twice: the second time must change nothing."""
        kind, first, second = step
        if kind in ("file", "lost"):
            status = "lost" if kind == "lost" else "assigned" if second else "in_stock"
            self.devices[first] = (status, second)
            self.waiting -= self._provided()
            body = f"{HEADER}\n{first},S-{first},Book,{status},{second},hill".encode()
            for _ in range(2):
                await self.take(self.district, read_inventory(body), correlation_id=f"f{number}")
            return
        cause = Cause(correlation_id=f"c{number}", origin="webhook", causation_id=f"e{number}")
        person = PersonId(first)
        known = self.here.get(first)
        if kind == "left" and known is not False:
            self.leavings[first] += 1
            # Who waited for a device when leaving waits for it again; nobody else asks for one.
            self.hardly_away[first] = first in self.waiting
        self.here[first] = kind == "joined"
        may_ask = known is None or (known is False and self.hardly_away[first])
        if kind == "left":
            self.waiting.discard(first)
        elif may_ask and first not in self.waiting | self._provided():
            self.waiting.add(first)
            self.asked[first] += 1
        told = (
            Joined(
                district_id=self.district,
                person_id=person,
                role="student",
                to_org_ids=("hill",),
                cause=cause,
            )
            if kind == "joined"
            else Left(district_id=self.district, person_id=person, cause=cause)
        )
        for _ in range(2):
            async with self.units.begin("apply") as unit:
                await self.follow(unit, self.district, [told])

    def _provided(self) -> set[str]:
        return {holder for status, holder in self.devices.values() if status == "assigned"}

    async def facts(self, order) -> None:
        """Tell facts of a ticket, one transaction each."""
        for number in order:
            fact = TicketFact(
                desk="helpdesk",
                ticket_id="t1",
                happening=TicketHappening(_FACTS[number]),
                occurred_at=START + timedelta(minutes=number),
                sequence=number,
                traits=Traits(status=f"s{number}"),
                public=True if _FACTS[number] == "comment_added" else None,
                by_agent=True if _FACTS[number] == "comment_added" else None,
                cause=Cause(correlation_id="c", origin="webhook"),
            )
            async with self.units.begin("apply") as unit:
                await unit.lock_district(self.district)
                await self.record(unit, self.district, [fact])

    async def rows(self, sql: str) -> list[asyncpg.Record]:
        pool = await self.database.pool()
        return await pool.fetch(sql, self.district)


def _run(url: str, district: str, script) -> None:
    async def run() -> None:
        database = Database(url, name="test")
        try:
            await script(House(database, district))
        finally:
            await database.close()

    asyncio.run(run())


_BOUNDED = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@_BOUNDED
@given(st.lists(_STEPS, min_size=1, max_size=10))
def test_whatever_the_order_leavers_are_collected_from_once_and_joiners_ask_once(
    tickets_database_url, steps
):
    async def script(house: House) -> None:
        for number, step in enumerate(steps):
            await house.step(step, number=number)

        opened = await house.rows(
            "SELECT d.asset_tag, c.person_id FROM ticket_events.collection c"
            " JOIN ticket_events.device d USING (district_id, device_id)"
            " WHERE c.district_id = $1 AND c.state = 'open'"
        )
        due = {
            (tag, holder)
            for tag, (status, holder) in house.devices.items()
            if status == "assigned" and not house.here.get(holder, True)
        }
        assert {(row["asset_tag"], row["person_id"]) for row in opened} == due
        asked = await house.rows(
            "SELECT device_id, holder_id, count(*) AS n FROM ticket_events.asset_fact"
            " WHERE district_id = $1 AND happening = 'collectionrequested' GROUP BY 1, 2"
        )
        assert all(row["n"] <= house.leavings[row["holder_id"]] for row in asked)
        states = await house.rows(
            "SELECT t.state, c.state AS task FROM ticket_events.collection c"
            " JOIN ticket_events.ticket t ON t.district_id = c.district_id"
            " AND t.ticket_id = c.collection_id AND t.desk = 'homeroom'"
            " WHERE c.district_id = $1"
        )
        ends = {"open": "open", "done": "solved", "cancelled": "closed"}
        assert all(ends[row["task"]] == row["state"] for row in states)
        waiting = await house.rows(
            "SELECT person_id FROM ticket_events.device_request"
            " WHERE district_id = $1 AND state = 'open'"
        )
        assert {row["person_id"] for row in waiting} == house.waiting
        wished = await house.rows(
            "SELECT convert_from(value, 'utf8')::jsonb ->> 'personId' AS person_id FROM log.event"
            " WHERE topic = 'assets' AND key LIKE $1::text || '/%'"
            " AND headers::text LIKE '%k12.asset.requested.v1%'"
        )
        assert Counter(row["person_id"] for row in wished) == house.asked

    _run(tickets_database_url, IDS.new_id(), script)


@_BOUNDED
@given(st.permutations(range(7)), st.lists(st.integers(0, 6), max_size=4))
def test_facts_of_a_ticket_in_any_order_and_repeated_end_in_one_state(
    tickets_database_url, order, repeated
):
    async def script(house: House) -> None:
        await house.facts([*order, *repeated])

        (ticket,) = await house.rows("SELECT * FROM ticket_events.ticket WHERE district_id = $1")
        assert (ticket["state"], ticket["status"], ticket["reopens"]) == ("closed", "s6", 1)
        assert ticket["last_solved_at"] == START + timedelta(minutes=5)
        measured = await house.rows(
            "SELECT kind, instance, minutes_calendar FROM ticket_events.measure"
            " WHERE district_id = $1"
        )
        assert {tuple(row) for row in measured} == {
            ("first_reply", 0, 1),
            ("first_resolution", 0, 3),
            ("full_resolution", 0, 3),
            ("full_resolution", 1, 5),
        }
        told = [
            (
                orjson.loads(row["headers"])["ce_type"].removeprefix("k12.ticket."),
                orjson.loads(row["value"]),
            )
            for row in await house.rows(
                "SELECT headers::text AS headers, value FROM log.event"
                " WHERE topic = 'tickets' AND key LIKE $1::text || '/%'"
                ' ORDER BY partition, "offset"'
            )
        ]
        assert Counter(kind for kind, _ in told if not kind.startswith("metric.")) == {
            "created.v1": 1,
            "comment_added.v1": 2,
            "solved.v1": 2,
            "reopened.v1": 1,
            "closed.v1": 1,
        }
        # The last word on a measure is the true one, and no word is said twice.
        words = [(k, b["instanceId"], b["minutesCalendar"]) for k, b in told if "metric." in k]
        assert {(kind, instance): minutes for kind, instance, minutes in words} == {
            ("metric.first_reply.v1", 0): 1,
            ("metric.first_resolution.v1", 0): 3,
            ("metric.full_resolution.v1", 0): 3,
            ("metric.full_resolution.v1", 1): 5,
        }
        assert len(set(words)) == len(words)

    _run(tickets_database_url, IDS.new_id(), script)
