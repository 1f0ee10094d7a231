"""Telling vendors by webhook, turn by turn, on a clock that a test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network

from roster_common.runtime.checked_addresses import CheckedTransport
from roster_common.runtime.clock import SystemClock
from roster_common.runtime.http import HttpClient
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.adapters.postgres.webhooks import PostgresStandings
from roster_publisher.adapters.receivers import HttpReceivers
from roster_publisher.domain.webhooks import Standing, Subscription
from roster_publisher.usecases.push_changes import PushChanges, Turn
from tests.support.publishing import BASE, Publishing

LOOPBACK = (ip_network("127.0.0.0/8"),)
LEASE = timedelta(seconds=20)


@dataclass
class Pushing:
    """One process that tells one vendor."""

    subscription: Subscription
    push: PushChanges
    standings: PostgresStandings

    async def turn(self) -> Turn:
        """One call, if there is something to tell."""
        return await self.push(self.subscription)

    async def all(self) -> None:
        """Turns until there is nothing left that may be told now."""
        while (await self.turn()).more:
            pass

    async def standing(self) -> Standing:
        """Where it stands."""
        return await self.standings.of(self.subscription)


@asynccontextmanager
async def pushing(
    publishing: Publishing,
    url: str,
    *secrets: str,
    client: str = "vendor",
    holder: str = "one",
    events: frozenset[str] | None = None,
    inside: bool = True,
    timeout_s: float = 15.0,
) -> AsyncIterator[Pushing]:
    """`inside` allows calls to this machine."""
    http = HttpClient(
        transport=CheckedTransport(allowed=LOOPBACK if inside else ()), clock=publishing.clock
    )
    standings = PostgresStandings(publishing.database, holder=holder, lease=LEASE)
    push = PushChanges(
        PostgresVendors(publishing.database),
        publishing.changes,
        standings,
        # The receiver's library reads the machine's clock.
        HttpReceivers(http, SystemClock(), timeout_s=timeout_s),
        publishing.clock,
        publishing.audit,
        base=BASE,
        chance=lambda: 0.0,
    )
    subscription = Subscription(
        district_id="d1", client_id=client, url=url, secrets=secrets, events=events
    )
    try:
        yield Pushing(subscription=subscription, push=push, standings=standings)
    finally:
        await http.close()
