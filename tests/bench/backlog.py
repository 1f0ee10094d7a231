"""A prepared backlog: events of four districts on the log.

Nothing of it stays in this process: a heap full of made-up events would slow the collector down,
and with it what is measured.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from roster_common.contracts.envelope import Event
from roster_common.runtime.database import Database
from tests.bench.events import districts, made_up
from tests.bench.servers import drop_database, fresh_database, give_back

COMMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """A database whose log holds `size` events, evenly over the topic's partitions."""

    url: str
    size: int
    partitions: int


@asynccontextmanager
async def backlog(server_url: str, name: str, *, size: int) -> AsyncIterator[Backlog]:
    """Append `size` events to a fresh database; it is dropped at the end."""
    url = await fresh_database(server_url, name)
    try:
        await append(url, made_up(size, of=districts()))
        yield Backlog(url=url, size=size, partitions=len(districts()))
    finally:
        await drop_database(server_url, name)


async def append(url: str, events: Sequence[Event]) -> None:
    """Put `events` on the log, in commits of 500."""
    database = Database(url, name="bench-backlog", pool_size=1)
    try:
        for first in range(0, len(events), COMMIT):
            async with database.begin() as tx:
                for event in events[first : first + COMMIT]:
                    tx.emit(event)
    finally:
        await give_back(database)
