"""Make the configured vendor clients exist, and those that are configured no longer end.

Runs at every start; changes nothing the second time. Clients that settings never gave are left
alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from roster_publisher.domain.access import Client, Grant
from roster_publisher.ports import Clock
from roster_publisher.ports.vendors import Digests, Vendors


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredClient:
    """A client as the settings give it."""

    secret: str
    grant: Grant


class SeedClients:
    """Keeps a stored secret that already matches, so that a restart rewrites nothing."""

    def __init__(self, vendors: Vendors, digests: Digests, clock: Clock) -> None:
        self._vendors = vendors
        self._digests = digests
        self._clock = clock

    async def __call__(self, clients: Sequence[ConfiguredClient]) -> Sequence[str]:
        """Return the ids of the clients that ended. One transaction for these, one per client."""
        # First: a client that moved to another district keeps its id, which is unique.
        ended = await self._vendors.end_others([wanted.grant for wanted in clients])
        for wanted in clients:
            grant = wanted.grant
            there = await self._vendors.client(grant.client_id)
            same = there is not None and await self._digests.matches(
                wanted.secret, there.secret_hash
            )
            if there is not None and same and there.grant == grant:
                continue
            secret_hash = await self._digests.digest(wanted.secret)
            await self._vendors.seed(
                Client(client_id=grant.client_id, secret_hash=secret_hash, grant=grant),
                now=self._clock.now(),
            )
        return ended
