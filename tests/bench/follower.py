"""A process that relays, or consumes and says when: the other side of the latency figures.

Reads one line of JSON, `Orders`, from its standard input and stops when that ends, so it never
outlives the run. A consumer writes one line of JSON per batch: `ids`, `handled`, `committed`, in
seconds of the machine's monotonic clock.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop

from roster_common.ports import LogReader
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.log.consumer import Consumer, Received
from roster_common.runtime.log.kafka import KafkaLog, KafkaReader
from roster_common.runtime.log.postgres import PostgresReader
from roster_common.runtime.log.relay import Relay
from roster_common.runtime.service import settle_memory
from tests.bench.events import IDS, READER, TOPIC
from tests.bench.quiet import quiet
from tests.bench.servers import give_back
from tests.bench.stamped import Stamp, StampedDatabase
from tests.contract.log.worlds import CLOCK, SCHEMA

GROUP = "bench-latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What to do. The URL holds a password, so it comes by the pipe and not as an argument."""

    role: str
    url: str
    bootstrap: str | None
    prefix: str


def main() -> None:
    """Follow until the standard input ends."""
    quiet()
    settle_memory()
    orders = Orders(**json.loads(sys.stdin.readline()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_follow(orders))


async def _follow(orders: Orders) -> None:
    stopping = Stopping()
    database = StampedDatabase(orders.url, name=f"bench-{orders.role}", on_commit=_tell)
    follower = _relay(orders, database) if orders.role == "relay" else _consumer(orders, database)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(follower.run(stopping))
            group.create_task(_stop_with_input(stopping))
    finally:
        await give_back(database)


async def _stop_with_input(stopping: Stopping) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    stopping.set()


def _relay(orders: Orders, database: Database) -> Relay:
    assert orders.bootstrap is not None
    return Relay(
        database=database,
        writer=KafkaLog(orders.bootstrap, prefix=orders.prefix),
        clock=CLOCK,
        ids=IDS,
    )


def _consumer(orders: Orders, database: StampedDatabase) -> Consumer:
    def reader(member: str) -> LogReader:
        if orders.bootstrap is None:
            return PostgresReader(database, group=GROUP, member_id=member, topics=[TOPIC])
        return KafkaReader(
            orders.bootstrap, group=GROUP, member_id=member, topics=[TOPIC], prefix=orders.prefix
        )

    async def handle(tx: Tx, events: Sequence[Received]) -> None:
        database.handling(tx, events)
        await (await tx.driver()).execute(
            f"INSERT INTO {SCHEMA}.effect (person_id, consumer) SELECT unnest($1::text[]), 'one'",
            [item.event.subject for item in events],
        )

    return Consumer(
        database=database,
        reader=reader,
        service=READER,
        group=GROUP,
        topics=[TOPIC],
        schema=SCHEMA,
        handle=handle,
        clock=CLOCK,
        ids=IDS,
    )


def _tell(stamp: Stamp) -> None:
    line = {
        "ids": [item.event.id for item in stamp.events],
        "handled": stamp.handled_at,
        "committed": stamp.committed_at,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
