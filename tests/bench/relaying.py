"""Relay: the log carried from PostgreSQL to Kafka, beside a bare idempotent producer.

The bare producer sends the same keys, headers and values with the same settings and waits only
at the end. A rate of the relay counts from the end of its first batch, as in `consuming`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic, perf_counter
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer

from roster_common.contracts.envelope import Outgoing
from roster_common.ports import LogWriter
from roster_common.runtime.database import Database
from roster_common.runtime.log.kafka import SEQUENCE_HEADER, KafkaLog
from roster_common.runtime.log.kafka_topics import declare_topics
from roster_common.runtime.log.relay import GROUP, Relay
from tests.bench.backlog import Backlog, backlog
from tests.bench.events import IDS
from tests.bench.measuring import Bench, Figures, Lineup, Progress, Sample
from tests.bench.servers import give_back
from tests.contract.log.worlds import CLOCK, running

DATABASE = "homeroom_bench_relay"
SELECT = """
SELECT topic, partition, "offset", key, headers::text AS headers, value FROM log.event
ORDER BY topic, partition, "offset"
"""


@asynccontextmanager
async def relaying(bench: Bench) -> AsyncIterator[Lineup]:
    """Needs Kafka; without it there is nothing to measure."""
    if bench.bootstrap is None:
        yield Lineup(samples=[])
        return
    prefix = f"bench-relay.{IDS.new_id()}."
    await declare_topics(bench.bootstrap, prefix=prefix)
    async with backlog(bench.server_url, DATABASE, size=bench.plan.backlog) as ground:
        yield Lineup(
            samples=[
                _relay(ground, bench.bootstrap, prefix),
                _producer(ground, bench.bootstrap, prefix),
            ]
        )


async def relay_all(ground: Backlog, bootstrap: str, *, prefix: str) -> float:
    """Carry the whole backlog to topics with `prefix`; events per second."""
    await _forget_position(ground.url)
    progress = Progress("relay", ground.size)
    database = Database(ground.url, name="bench-relay", pool_size=4)
    relay = Relay(
        database=database,
        writer=_Counting(KafkaLog(bootstrap, prefix=prefix), progress),
        clock=CLOCK,
        ids=IDS,
    )
    try:
        async with running(relay) as tasks:
            await progress.finish(tasks)
    finally:
        await give_back(database)
    return progress.rate()


class _Counting:
    """A writer that tells `progress` of each batch that is durable."""

    def __init__(self, inner: LogWriter, progress: Progress) -> None:
        self._inner = inner
        self._progress = progress

    async def publish(self, batch: Sequence[Outgoing]) -> None:
        await self._inner.publish(batch)
        self._progress.add(len(batch), at=monotonic())

    async def close(self) -> None:
        await self._inner.close()


async def _forget_position(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(
            "DELETE FROM log.consumer_position WHERE group_id = $1", GROUP, timeout=10
        )
    finally:
        await connection.close(timeout=5)


def _relay(ground: Backlog, bootstrap: str, prefix: str) -> Sample:
    async def sample() -> Figures:
        return {"relay": await relay_all(ground, bootstrap, prefix=prefix)}

    return sample


async def _records(url: str, prefix: str) -> list[tuple[Any, ...]]:
    """The log's own bytes, as the arguments of a send; read before the clock starts."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        rows = await connection.fetch(SELECT, timeout=30)
    finally:
        await connection.close(timeout=5)
    return [
        (
            prefix + row["topic"],
            row["value"],
            row["key"].encode(),
            row["partition"],
            [
                *((name, text.encode()) for name, text in orjson.loads(row["headers"]).items()),
                (SEQUENCE_HEADER, str(row["offset"]).encode()),
            ],
        )
        for row in rows
    ]


def _producer(ground: Backlog, bootstrap: str, prefix: str) -> Sample:
    async def sample() -> Figures:
        records = await _records(ground.url, prefix)
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=2,
            max_batch_size=131_072,
            max_request_size=4_194_304,
        )
        await asyncio.wait_for(producer.start(), timeout=20)
        try:
            began = perf_counter()
            sent = [
                await producer.send(
                    topic, value=value, key=key, partition=partition, headers=headers
                )
                for topic, value, key, partition, headers in records
            ]
            await asyncio.wait_for(asyncio.gather(*sent), timeout=50)
            took = perf_counter() - began
        finally:
            await asyncio.wait_for(producer.stop(), timeout=10)
        return {"producer": len(records) / took}

    return sample
