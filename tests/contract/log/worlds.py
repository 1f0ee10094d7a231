"""The log as a service sees it, on each transport: one database, one way to read, real parts."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg

from roster_common.contracts.envelope import Event, Origin, new_event
from roster_common.contracts.roster_lifecycle_v1 import PersonJoined
from roster_common.ports import LogReader
from roster_common.runtime.clock import SystemClock, Uuid7Ids
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.log.consumer import Consumer, DeadLetterPolicy, Handler, Received
from roster_common.runtime.log.kafka import KafkaLog, KafkaReader
from roster_common.runtime.log.kafka_topics import declare_topics
from roster_common.runtime.log.postgres import PostgresReader
from roster_common.runtime.log.relay import Relay

TOPIC = "roster.lifecycle"
SERVICE = "ticket-events"
SCHEMA = "app"
CLOCK = SystemClock()
IDS = Uuid7Ids()


class _Statements:
    """Collects what a migration would execute."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def execute(self, statement: str) -> None:
        self.found.append(statement)


async def prepare(url: str) -> None:
    """Schema `log` by its migration, schema `app` with a position table and an effects table."""
    positions = importlib.import_module("roster_common.runtime.log.positions")
    statements = _Statements()
    positions.create_position_table(statements, schema=SCHEMA)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        for statement in statements.found:
            await connection.execute(statement)
        await connection.execute(
            f"CREATE TABLE {SCHEMA}.effect (place bigserial, person_id text, consumer text)"
        )
    finally:
        await connection.close()


def joined(person: str, *, district: str = "demo", origin: Origin = "webhook") -> Event:
    """An event with a body that a leak would show."""
    return new_event(
        PersonJoined(
            person_id=person,
            role="student",
            from_org_ids=[],
            to_org_ids=["school-1"],
            effective_at=datetime(2026, 9, 1, tzinfo=UTC),
        ),
        event_id=IDS.new_id(),
        time=datetime(2026, 9, 1, tzinfo=UTC),
        service="roster-publisher",
        district_id=district,
        correlation_id=f"why-{person}",
        origin=origin,
    )


async def record_effect(tx: Tx, events: Sequence[Received], consumer: str = "one") -> None:
    """The plainest effect: one row per event, no key, so that a repetition would show."""
    await (await tx.driver()).executemany(
        f"INSERT INTO {SCHEMA}.effect (person_id, consumer) VALUES ($1, $2)",
        [(person_of(item), consumer) for item in events],
    )


def person_of(item: Received) -> str:
    """The person an event of these tests is about."""
    assert isinstance(item.event.data, PersonJoined)
    return item.event.data.person_id


@dataclass(slots=True)
class World:
    """A log on one transport."""

    name: str
    url: str
    database: Database
    reader: Callable[[Database, str, Sequence[str], str], LogReader]
    bootstrap: str | None = None
    prefix: str = ""
    databases: list[Database] = field(default_factory=list)

    async def publish(self, *events: Event) -> None:
        """Append in one transaction, as a service does."""
        async with self.database.begin() as tx:
            for event in events:
                tx.emit(event)

    async def effects(self) -> list[str]:
        """Persons in the order their effects were committed."""
        async with self.database.begin() as tx:
            rows = await (await tx.driver()).fetch(
                f"SELECT person_id FROM {SCHEMA}.effect ORDER BY place"
            )
        return [row["person_id"] for row in rows]

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Rows of a query, for looking from outside."""
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(query, *args))
        finally:
            await connection.close()

    def consumer(
        self,
        handle: Handler = record_effect,
        *,
        group: str = "readers",
        topics: Sequence[str] = (TOPIC,),
        batch: int = 500,
        dead_letters: DeadLetterPolicy | None = None,
        stall_s: float = 30.0,
    ) -> Consumer:
        """A consumer with a pool of its own, as another process would have."""
        database = Database(self.url, name="test-consumer", pool_size=4)
        self.databases.append(database)
        return Consumer(
            database=database,
            reader=lambda member: self.reader(database, group, topics, member),
            service=SERVICE,
            group=group,
            topics=topics,
            schema=SCHEMA,
            handle=handle,
            clock=CLOCK,
            ids=IDS,
            batch=batch,
            dead_letters=dead_letters,
            stall_s=stall_s,
        )

    def relay(self) -> Relay:
        """A relay to this world's broker."""
        assert self.bootstrap is not None
        return Relay(
            database=self.database,
            writer=KafkaLog(self.bootstrap, prefix=self.prefix),
            clock=CLOCK,
            ids=IDS,
            lease_s=2.0,
        )


@asynccontextmanager
async def running(*consumers: Consumer | Relay) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run consumers until the block ends, then stop them the way a service does."""
    stopping = Stopping()
    tasks = [asyncio.create_task(consumer.run(stopping)) for consumer in consumers]
    try:
        yield tasks
    finally:
        stopping.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), timeout=40)


@asynccontextmanager
async def postgres_world(url: str) -> AsyncIterator[World]:
    """Consumers read the log schema directly."""

    def reader(database: Database, group: str, topics: Sequence[str], member: str) -> LogReader:
        return PostgresReader(database, group=group, member_id=member, topics=topics, lease_s=2.0)

    async with _world(World("postgres", url, _patient(url), reader)) as world:
        yield world


@asynccontextmanager
async def kafka_world(url: str, bootstrap: str, *, relaying: bool = True) -> AsyncIterator[World]:
    """The relay carries the log to a real broker; consumers read from there.

    A prefix of its own keeps each test's topics apart on the session's broker.
    """
    prefix = f"t{IDS.new_id().replace('-', '')[-12:]}."

    def reader(database: Database, group: str, topics: Sequence[str], member: str) -> LogReader:
        return KafkaReader(
            bootstrap,
            group=group,
            member_id=member,
            topics=topics,
            prefix=prefix,
            session_timeout_s=6.0,
        )

    await declare_topics(bootstrap, prefix=prefix)
    world = World("kafka", url, _patient(url), reader, bootstrap, prefix)
    async with _world(world), running(*([world.relay()] if relaying else [])):
        yield world


def _patient(url: str) -> Database:
    """Its writers wait for as long as a test holds a lock, while readers join a group."""
    return Database(url, name="test", lock_timeout_s=60.0, statement_timeout_s=60.0)


@asynccontextmanager
async def _world(world: World) -> AsyncIterator[World]:
    try:
        yield world
    finally:
        for database in world.databases:
            await database.close()
        await world.database.close()


async def eventually(check: Callable[[], Awaitable[bool]], *, within_s: float = 60.0) -> None:
    """Return once `check` says so; fail when it never does within the safety bound."""
    async with asyncio.timeout(within_s):
        while not await check():
            await asyncio.sleep(0.02)
