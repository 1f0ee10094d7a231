"""A process to be killed: writes to, relays, consumes or keeps the log of a test's database.

`python -m tests.support.log_worker ROLE DATABASE_URL [BOOTSTRAP PREFIX]`; the fail point comes by
HOMEROOM_FAILPOINT, as for a real service.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from roster_common.ports import LogReader
from roster_common.runtime.database import Database
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.log.consumer import Consumer
from roster_common.runtime.log.kafka import KafkaLog, KafkaReader
from roster_common.runtime.log.postgres import PostgresReader
from roster_common.runtime.log.relay import Relay
from roster_common.runtime.log.retention import run_retention
from tests.contract.log.worlds import CLOCK, IDS, SCHEMA, SERVICE, TOPIC, joined, record_effect

WRITES = 10


def main(role: str, url: str, bootstrap: str = "", prefix: str = "") -> None:
    """Run one role until killed, told to stop, or done."""
    asyncio.run(_run(role, url, bootstrap, prefix))


async def _run(role: str, url: str, bootstrap: str, prefix: str) -> None:
    database = Database(url, name=f"worker-{role}", pool_size=4)
    stopping = Stopping()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    match role:
        case "write":
            await _write(database)
        case "consume":
            await _consumer(database, bootstrap, prefix).run(stopping)
        case "relay":
            writer = KafkaLog(bootstrap, prefix=prefix)
            relay = Relay(database=database, writer=writer, clock=CLOCK, ids=IDS, lease_s=2.0)
            await relay.run(stopping)
        case "keep":
            await run_retention(database, now=datetime.now(UTC) + timedelta(days=40))
        case _:
            raise SystemExit(f"no such role: {role}")
    await database.close()


async def _write(database: Database) -> None:
    for number in range(WRITES):
        async with database.begin() as tx:
            tx.emit(joined(f"p{number}"))


def _consumer(database: Database, bootstrap: str, prefix: str) -> Consumer:
    topics: Sequence[str] = (TOPIC,)

    def reader(member: str) -> LogReader:
        if not bootstrap:
            return PostgresReader(
                database, group="readers", member_id=member, topics=topics, lease_s=2.0
            )
        return KafkaReader(
            bootstrap,
            group="readers",
            member_id=member,
            topics=topics,
            prefix=prefix,
            session_timeout_s=6.0,
        )

    return Consumer(
        database=database,
        reader=reader,
        service=SERVICE,
        group="readers",
        topics=topics,
        schema=SCHEMA,
        handle=record_effect,
        clock=CLOCK,
        ids=IDS,
        batch=3,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
