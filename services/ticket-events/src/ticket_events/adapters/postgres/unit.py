"""One transaction, opened and committed by the consumer, in the words of ports.py."""

from collections.abc import Awaitable, Callable

import asyncpg

from roster_common.contracts.envelope import Event
from roster_common.runtime.database import Tx
from ticket_events.adapters.postgres.people import PostgresPeople
from ticket_events.adapters.postgres.requests import PostgresRequests
from ticket_events.domain.device_request import DeviceRequest

ToEvent = Callable[[DeviceRequest], Event]


class PostgresUnit:
    """Stores and events of one transaction."""

    def __init__(self, tx: Tx, driver: asyncpg.Connection, to_event: ToEvent) -> None:
        self.people = PostgresPeople(driver)
        self.requests = PostgresRequests(driver)
        self._tx = tx
        self._to_event = to_event

    def emit(self, request: DeviceRequest) -> None:
        """Tell others that a device is wanted, if and only if this transaction commits."""
        self._tx.emit(self._to_event(request))


def joining(to_event: ToEvent) -> Callable[[Tx], Awaitable[PostgresUnit]]:
    """Makes the unit around a transaction that somebody else opened and will commit."""

    async def join(tx: Tx) -> PostgresUnit:
        return PostgresUnit(tx, await tx.driver(), to_event)

    return join
