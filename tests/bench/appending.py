"""Append: events put on the log through `Database.begin` and `Tx.emit`, beside COPY.

COPY moves the same bytes with the same commits into a plain table without an index, on the same
server and the same number of connections: what the machine could do at best.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, cycle, islice
from time import perf_counter
from typing import Any

import asyncpg
import orjson

from roster_common.contracts.envelope import Event
from roster_common.runtime.database import Database
from tests.bench.events import districts, encoded, made_up
from tests.bench.measuring import Bench, Figures, Lineup, Sample
from tests.bench.servers import drop_database, fresh_database, give_back

WRITERS = 4
BATCH = 100
BULK = 10_000
DATABASE = "homeroom_bench_append"
COLUMNS = ["topic", "partition", "offset", "key", "headers", "value", "appended_at"]
PLAIN = """
CREATE TABLE plain (
    topic text NOT NULL, partition integer NOT NULL, "offset" bigint NOT NULL,
    key text NOT NULL, headers json NOT NULL, value bytea, appended_at timestamptz NOT NULL
)
"""
STATEMENT_TIMEOUT_S = 30.0

Write = Callable[[int], Awaitable[None]]
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """A database, a raw connection per writer, and what each writer writes."""

    database: Database
    raw: Sequence[asyncpg.Connection]
    events: Sequence[Sequence[Event]]
    rows: Sequence[Sequence[Row]]
    seconds: float


@asynccontextmanager
async def appending(bench: Bench) -> AsyncIterator[Lineup]:
    """Single events and batches of 100, with one writer and with four."""
    url = await fresh_database(bench.server_url, DATABASE)
    database = Database(url, name="bench-append", pool_size=WRITERS)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(drop_database, bench.server_url, DATABASE)
        stack.push_async_callback(give_back, database)
        raw = []
        for _ in range(WRITERS):
            connection = await asyncpg.connect(url, timeout=10)
            stack.push_async_callback(connection.close, timeout=5)
            raw.append(connection)
        await raw[0].execute(PLAIN, timeout=STATEMENT_TIMEOUT_S)
        events = [made_up(BATCH, of=[district]) for district in districts()]
        yield Lineup(
            samples=_samples(
                _Ground(
                    database=database,
                    raw=raw,
                    events=events,
                    rows=[plain_rows(own) for own in events],
                    seconds=bench.plan.writing_s,
                )
            )
        )


def _samples(ground: _Ground) -> list[Sample]:
    return [
        *(
            sample
            for size, row in ((1, "single"), (BATCH, "batch"))
            for writers in (1, WRITERS)
            for sample in (
                _emitting(ground, f"append.{row}.{writers}", writers=writers, size=size),
                _copying(ground, f"copy.{row}.{writers}", writers=writers, size=size),
            )
        ),
        _emitting(
            ground, f"append.single.{WRITERS}.hot", writers=WRITERS, size=1, one_district=True
        ),
        _copying(ground, "copy.bulk", writers=1, size=BULK),
    ]


def _emitting(
    ground: _Ground, row: str, *, writers: int, size: int, one_district: bool = False
) -> Sample:
    async def sample() -> Figures:
        await ground.raw[0].execute("TRUNCATE log.event", timeout=STATEMENT_TIMEOUT_S)
        turns = [count() for _ in range(writers)]

        async def write(writer: int) -> None:
            own = ground.events[0 if one_district else writer]
            first = next(turns[writer])
            async with ground.database.begin() as tx:
                for place in range(first, first + size):
                    tx.emit(own[place % len(own)])

        return {row: await _rate(write, ground.seconds, writers=writers, size=size)}

    return sample


def _copying(ground: _Ground, row: str, *, writers: int, size: int) -> Sample:
    batches = [list(islice(cycle(rows), size)) for rows in ground.rows]

    async def sample() -> Figures:
        await ground.raw[0].execute("TRUNCATE plain", timeout=STATEMENT_TIMEOUT_S)

        async def write(writer: int) -> None:
            await ground.raw[writer].copy_records_to_table(
                "plain", records=batches[writer], columns=COLUMNS, timeout=STATEMENT_TIMEOUT_S
            )

        return {row: await _rate(write, ground.seconds, writers=writers, size=size)}

    return sample


async def _rate(write: Write, seconds: float, *, writers: int, size: int) -> float:
    """Events committed in a second, while `writers` tasks write as fast as they can."""
    done = [0] * writers
    began = perf_counter()

    async def keep_writing(writer: int) -> None:
        while perf_counter() - began < seconds:
            await write(writer)
            done[writer] += size

    async with asyncio.TaskGroup() as group:
        for writer in range(writers):
            group.create_task(keep_writing(writer))
    return sum(done) / (perf_counter() - began)


def plain_rows(events: Sequence[Event]) -> list[Row]:
    """What COPY writes of `events` into `PLAIN`."""
    moment = datetime(2026, 9, 1, tzinfo=UTC)
    return [
        (o.topic, o.partition, 0, o.key, orjson.dumps(o.headers).decode(), o.value, moment)
        for o in encoded(events)
    ]
