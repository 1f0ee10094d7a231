"""Publish: the changes of a district through roster-publisher's own consumer, in batches of 500.

A first load into an empty store, every record changed, and the same changes again when the store
holds ten times as many people; beside the first stands COPY of the same bytes in commits of 500.
Derive: people and classes worked out and emitted. Use cases, store and log are the product's, on
one connection each as in the service; the counting of tables runs beside them as it does there.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import asyncpg

from roster_common.contracts.envelope import Event, new_event
from roster_common.contracts.record_upserted_v1 import UPSERTED
from roster_common.contracts.validation import read_object
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.migrations import migrate
from roster_common.runtime.statistics import EVERY_S, Statistics
from roster_publisher.adapters.district_days import DistrictDays
from roster_publisher.adapters.postgres.dirty_marks import BULK_QUIET
from roster_publisher.adapters.postgres.roster_unit import PostgresRosterUnit
from roster_publisher.adapters.postgres.state_unit import PostgresStateUnits
from roster_publisher.entrypoints.consumers.changes import ChangesDoor
from roster_publisher.usecases.apply_changes import ApplyChanges
from roster_publisher.usecases.derive_classes import DeriveClasses
from roster_publisher.usecases.derive_people import DerivePeople
from tests.bench.appending import COLUMNS, PLAIN, STATEMENT_TIMEOUT_S, plain_rows
from tests.bench.backlog import append
from tests.bench.consuming import consumed, postgres_reader
from tests.bench.events import IDS, READER, WRITER
from tests.bench.measuring import Bench, Figures, Lineup, Progress, Stalled
from tests.bench.servers import drop_database, fresh_database, give_back
from tests.contract.log.worlds import CLOCK
from tests.support import oneroster_records as records

DATABASE = "homeroom_bench_publish"
SCHEMA = "roster_publisher"
DISTRICT = "bench"
BATCH = 500
SCHOOLS, CLASSES_PER_SCHOOL, SEATS = 60, 10, 6
GRADES = ("05", "06", "07", "08")
EVENTS_PER_PERSON = 1 + SEATS
GROWN = 10
GROW_WITHIN_S = 300.0

Fact = tuple[Any, Mapping[str, Any]]


@asynccontextmanager
async def publishing(bench: Bench) -> AsyncIterator[Lineup]:
    """One store, used by the rows one after the other."""
    async with AsyncExitStack() as stack:
        url = await fresh_database(bench.server_url, DATABASE)
        stack.push_async_callback(drop_database, bench.server_url, DATABASE)
        await migrate(url, schema=SCHEMA, script_package="roster_publisher.migrations")
        database = Database(url, name="bench-derive", pool_size=4)
        stack.push_async_callback(give_back, database)
        await stack.enter_async_context(counting(database))
        raw = await asyncpg.connect(url, timeout=10)
        stack.push_async_callback(raw.close, timeout=5)
        each = bench.plan.backlog // 2 // EVENTS_PER_PERSON // SCHOOLS
        story = _Story(url=url, database=database, raw=raw, people=max(each, 1))
        yield Lineup(
            samples=(story.copied, story.first, story.derived, story.changed, story.grown),
            warm_up=(),
            rounds=1,
            sample_timeout_s=GROW_WITHIN_S,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    """The rows in their order; `people` is per school and at first."""

    url: str
    database: Database
    raw: asyncpg.Connection
    people: int

    async def copied(self) -> Figures:
        """What the first load's bytes cost by COPY, in commits of 500."""
        rows = plain_rows(_events([*schools(), *people(0, self.people)]))
        await self.raw.execute(PLAIN, timeout=STATEMENT_TIMEOUT_S)
        began = perf_counter()
        for first in range(0, len(rows), BATCH):
            await self.raw.copy_records_to_table(
                "plain",
                records=rows[first : first + BATCH],
                columns=COLUMNS,
                timeout=STATEMENT_TIMEOUT_S,
            )
        return {"publish.copy": len(rows) / (perf_counter() - began)}

    async def first(self) -> Figures:
        facts = [*schools(), *people(0, self.people)]
        return {"publish.first": await self._apply("publish.first", facts)}

    async def derived(self) -> Figures:
        """Everybody and every class that the first load marked."""
        units, today = PostgresStateUnits(self.database, _new_event), DistrictDays("UTC", {})
        persons = DerivePeople(units, CLOCK, today=today, settle=timedelta(minutes=15))
        classes = DeriveClasses(units, CLOCK)
        await asyncio.sleep(BULK_QUIET.total_seconds())
        found: dict[str, float] = {}
        for row, turn, wanted in (
            ("derive.people", persons, SCHOOLS * self.people),
            ("derive.classes", classes, SCHOOLS * CLASSES_PER_SCHOOL),
        ):
            began, done = perf_counter(), 0
            while count := await turn():
                done += count
            if done != wanted:
                raise Stalled(f"{row}: {done} of {wanted} were marked")
            found[row] = done / (perf_counter() - began)
        return found

    async def changed(self) -> Figures:
        facts = people(0, self.people, mark="changed")
        return {"publish.changed": await self._apply("publish.changed", facts)}

    async def grown(self) -> Figures:
        """The changes once more, after ten times as many people have come; those are not timed."""
        await self._apply("growing", people(self.people, GROWN * self.people))
        facts = people(0, self.people, mark="changed again")
        return {"publish.grown": await self._apply("publish.grown", facts)}

    async def _apply(self, row: str, facts: Sequence[Fact]) -> float:
        """Events a second from the log to the store."""
        return await applied(self.url, row, facts)


async def applied(url: str, row: str, facts: Sequence[Fact]) -> float:
    """Events a second from the log to the store, through the service's consumer."""
    await append(url, _events(facts))
    return await consumed(
        url,
        Progress(row, len(facts)),
        make_reader=postgres_reader,
        group=READER,
        schema=SCHEMA,
        work=ChangesDoor(ApplyChanges(CLOCK), _unit_of, ring=lambda: None),
    )


async def _unit_of(tx: Tx) -> PostgresRosterUnit:
    return PostgresRosterUnit(await tx.driver())


@asynccontextmanager
async def counting(database: Database) -> AsyncIterator[None]:
    """The service's job that keeps the planner's figures true while tables fill."""
    count = Statistics(database, SCHEMA)

    async def keep_counting() -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await count()

    task = asyncio.create_task(keep_counting())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def schools() -> Iterator[Fact]:
    """Sixty schools with a course and ten classes each, of four grades in turn."""
    names = [f"s{number:03d}" for number in range(SCHOOLS)]
    yield "academicSession", records.session("t1")
    yield from (("org", records.org(school)) for school in names)
    for school in names:
        yield "course", records.course(f"{school}-c", org=records.ref("org", school))
    for school in names:
        for number in range(CLASSES_PER_SCHOOL):
            name = f"{school}-k{number}"
            grades = [GRADES[number % len(GRADES)]]
            yield (
                "class",
                records.class_(name, course=f"{school}-c", school=school, grades=grades),
            )


def people(first: int, last: int, *, mark: str = "new", up: int = 0) -> list[Fact]:
    """Students `first` to `last` of every school, then their seats; `mark` makes them differ, and
    whoever's number `up` divides is a grade above.
    """
    names = [(f"s{school:03d}", n) for school in range(SCHOOLS) for n in range(first, last)]
    users: list[Fact] = [
        (
            "user",
            records.user(
                f"{school}-u{n}",
                records.role(school),
                familyName=mark,
                grades=[GRADES[(n + bool(up and n % up == 0)) % len(GRADES)]],
            ),
        )
        for school, n in names
    ]
    seats: list[Fact] = [
        (
            "enrollment",
            records.enrollment(
                f"{school}-e{n}-{seat}",
                user=f"{school}-u{n}",
                class_id=f"{school}-k{(n + seat) % CLASSES_PER_SCHOOL}",
                school=school,
                metadata={"mark": mark},
            ),
        )
        for school, n in names
        for seat in range(SEATS)
    ]
    return [*users, *seats]


def _events(facts: Sequence[Fact]) -> list[Event]:
    now = datetime.now(UTC)
    return [
        _new_event(
            read_object(UPSERTED[entity], {"record": record, "changed": []}),
            time=now,
            service=WRITER,
            district_id=DISTRICT,
            correlation_id="bench",
            origin="firstload",
        )
        for entity, record in facts
    ]


def _new_event(data: Any, **attributes: Any) -> Event:
    given = {"event_id": IDS.new_id(), "time": CLOCK.now(), "service": READER}
    return new_event(data, **given | attributes)
