"""One transaction in the words of ports.py: joined (the consumer's) or opened here (a door's)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from roster_common.contracts.envelope import Event
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.failpoints import failpoint
from ticket_events.adapters.postgres.collections import PostgresCollections
from ticket_events.adapters.postgres.deliveries import PostgresDeliveries
from ticket_events.adapters.postgres.devices import PostgresDevices
from ticket_events.adapters.postgres.people import PostgresPeople
from ticket_events.adapters.postgres.requests import PostgresRequests
from ticket_events.adapters.postgres.tickets import PostgresTickets
from ticket_events.domain.ids import DistrictId
from ticket_events.ports import News, Work

ToEvent = Callable[[News], Event]

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('ticket_events/' || $1, 0))"
# A file of a whole district is thousands of events; others get their turn in between.
_BREATHE_EVERY: Final = 500
_BEFORE_COMMIT: Final[Mapping[Work, str]] = {
    "import": "tickets.import.before_commit",
    "accept": "tickets.accept.before_commit",
    "apply": "tickets.apply.before_commit",
}
_AFTER_COMMIT: Final[Mapping[Work, str]] = {
    "import": "tickets.import.after_commit",
    "accept": "tickets.accept.after_commit",
    "apply": "tickets.apply.after_commit",
}


class PostgresUnit:
    """Stores and events of one transaction."""

    def __init__(self, tx: Tx, driver: asyncpg.Connection, to_event: ToEvent) -> None:
        self.people = PostgresPeople(driver)
        self.requests = PostgresRequests(driver)
        self.devices = PostgresDevices(driver)
        self.collections = PostgresCollections(driver)
        self.tickets = PostgresTickets(driver)
        self.deliveries = PostgresDeliveries(driver)
        self._driver = driver
        self._tx = tx
        self._to_event = to_event

    async def lock_district(self, district_id: DistrictId) -> None:
        """See the port; the lock ends with the transaction."""
        await self._driver.execute(_LOCK, district_id)

    async def emit(self, news: Sequence[News]) -> None:
        """See the port."""
        for number, one in enumerate(news, start=1):
            self._tx.emit(self._to_event(one))
            if number % _BREATHE_EVERY == 0:
                await asyncio.sleep(0)


def joining(to_event: ToEvent) -> Callable[[Tx], Awaitable[PostgresUnit]]:
    """Makes the unit around a transaction that somebody else opened and will commit."""

    async def join(tx: Tx) -> PostgresUnit:
        return PostgresUnit(tx, await tx.driver(), to_event)

    return join


class PostgresUnits:
    """`ports.Units` on this service's database. Raises `Retriable` when it is away."""

    def __init__(self, database: Database, to_event: ToEvent) -> None:
        self._database = database
        self._to_event = to_event

    @asynccontextmanager
    async def begin(self, work: Work) -> AsyncIterator[PostgresUnit]:
        """See the port. Fail points stand on both sides of the commit."""
        async with self._database.begin() as tx:
            yield PostgresUnit(tx, await tx.driver(), self._to_event)
            failpoint(_BEFORE_COMMIT[work])
        failpoint(_AFTER_COMMIT[work])
