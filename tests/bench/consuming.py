"""Consume: `Consumer` with an empty handler over a backlog, on both transports.

Beside it on PostgreSQL a bare SELECT loop, on Kafka bare `getmany` and `commit`, both of 500.
Each round is a new group from the log's beginning. A rate counts from the end of the first batch,
so joining the group is left out.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from time import monotonic

import asyncpg
from aiokafka import AIOKafkaConsumer

from roster_common.ports import LogReader
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.log.consumer import Consumer, Received
from roster_common.runtime.log.kafka import KafkaReader
from roster_common.runtime.log.kafka_topics import declare_topics
from roster_common.runtime.log.postgres import PostgresReader
from tests.bench.backlog import Backlog, backlog
from tests.bench.events import IDS, READER, TOPIC
from tests.bench.measuring import Bench, Figures, Lineup, Progress, Sample
from tests.bench.relaying import relay_all
from tests.bench.servers import give_back
from tests.bench.stamped import Stamp, StampedDatabase
from tests.contract.log.worlds import CLOCK, SCHEMA, running

BATCH = 500
DATABASE = "homeroom_bench_consume"
PREFIX = "bench-consume."
NUMBERS = count()
SELECT = """
SELECT topic, partition, "offset", key, headers::text, value, appended_at FROM log.event
WHERE topic = $1 AND partition = $2 AND "offset" >= $3 ORDER BY "offset" LIMIT $4
"""

MakeReader = Callable[[Database, str, str], LogReader]
Handle = Callable[[Tx, Sequence[Received]], Awaitable[None]]


@asynccontextmanager
async def consuming(bench: Bench) -> AsyncIterator[Lineup]:
    """Both transports, Kafka where there is one."""
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(
            backlog(bench.server_url, DATABASE, size=bench.plan.backlog)
        )
        samples = [
            _consumer(ground, "consume.postgres", postgres_reader),
            _select_loop(ground, "select"),
        ]
        if bench.bootstrap is not None:
            prefix = f"{PREFIX}{IDS.new_id()}."
            await declare_topics(bench.bootstrap, prefix=prefix)
            await relay_all(ground, bench.bootstrap, prefix=prefix)
            samples += [
                _consumer(ground, "consume.kafka", _kafka_reader(bench.bootstrap, prefix)),
                _getmany(ground, "getmany", bench.bootstrap, prefix),
            ]
        yield Lineup(samples=samples)


def postgres_reader(database: Database, group: str, member: str) -> LogReader:
    """The log read directly, by one member of a group."""
    return PostgresReader(database, group=group, member_id=member, topics=[TOPIC])


def _kafka_reader(bootstrap: str, prefix: str) -> MakeReader:
    def make(_database: Database, group: str, member: str) -> LogReader:
        return KafkaReader(bootstrap, group=group, member_id=member, topics=[TOPIC], prefix=prefix)

    return make


def _consumer(ground: Backlog, row: str, make_reader: MakeReader) -> Sample:
    async def sample() -> Figures:
        group, progress = f"bench-{next(NUMBERS)}", Progress(row, ground.size)
        rate = await consumed(
            ground.url, progress, make_reader=make_reader, group=group, schema=SCHEMA
        )
        return {row: rate}

    return sample


async def consumed(
    url: str,
    progress: Progress,
    *,
    make_reader: MakeReader,
    group: str,
    schema: str,
    work: Handle | None = None,
) -> float:
    """Events a second that one `Consumer` takes through `work`, in batches of 500, to the last."""

    def committed(stamp: Stamp) -> None:
        progress.add(len(stamp.events), at=stamp.committed_at)

    database = StampedDatabase(url, name="bench-consume", on_commit=committed)

    async def handle(tx: Tx, events: Sequence[Received]) -> None:
        database.handling(tx, events)
        if work is not None:
            await work(tx, events)

    consumer = Consumer(
        database=database,
        reader=lambda member: make_reader(database, group, member),
        service=READER,
        group=group,
        topics=[TOPIC],
        schema=schema,
        handle=handle,
        clock=CLOCK,
        ids=IDS,
        batch=BATCH,
    )
    try:
        async with running(consumer) as tasks:
            await progress.finish(tasks)
    finally:
        await give_back(database)
    return progress.rate()


def _select_loop(ground: Backlog, row: str) -> Sample:
    async def sample() -> Figures:
        progress = Progress(row, ground.size)
        connection = await asyncpg.connect(ground.url, timeout=10)
        try:
            starts = [0] * ground.partitions
            while not progress.whole:
                for partition, start in enumerate(starts):
                    rows = await connection.fetch(
                        SELECT, TOPIC, partition, start, BATCH, timeout=30
                    )
                    starts[partition] = start + len(rows)
                    if rows:
                        progress.add(len(rows), at=monotonic())
        finally:
            await connection.close(timeout=5)
        return {row: progress.rate()}

    return sample


def _getmany(ground: Backlog, row: str, bootstrap: str, prefix: str) -> Sample:
    async def sample() -> Figures:
        progress = Progress(row, ground.size)
        consumer = AIOKafkaConsumer(
            prefix + TOPIC,
            bootstrap_servers=bootstrap,
            group_id=f"{prefix}bench-{next(NUMBERS)}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4_194_304,
        )
        await asyncio.wait_for(consumer.start(), timeout=20)
        try:
            while not progress.whole:
                fetched = await asyncio.wait_for(
                    consumer.getmany(timeout_ms=500, max_records=BATCH), timeout=30
                )
                events = sum(len(messages) for messages in fetched.values())
                if events:
                    await asyncio.wait_for(consumer.commit(), timeout=10)
                    progress.add(events, at=monotonic())
        finally:
            await asyncio.wait_for(consumer.stop(), timeout=10)
        return {row: progress.rate()}

    return sample
