"""Make the configured vendor clients exist, and those that are configured no longer end.

Runs at every start; changes nothing the second time. Clients that operators have
made are left alone, also where settings name one of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.rules import Rule
from roster_publisher.domain.transforms import key_id, keyed
from roster_publisher.ports import Clock
from roster_publisher.ports.vendors import Digests, Scopes, Vendors


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredClient:
    """A client as the settings give it."""

    secret: str
    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """Ids of clients that ended, and of those left alone because operators have made them."""

    ended: Sequence[str]
    taken: Sequence[str]


class SeedClients:
    """Keeps a stored secret that already matches, so that a restart rewrites nothing.

    With another `hash_key` than before, grants that hash show something else, whoever gave them.
    """

    def __init__(
        self,
        vendors: Vendors,
        scopes: Scopes,
        digests: Digests,
        clock: Clock,
        *,
        hash_key: bytes | None,
    ) -> None:
        self._hash_key = hash_key
        self._vendors = vendors
        self._scopes = scopes
        self._digests = digests
        self._clock = clock

    async def __call__(self, clients: Sequence[ConfiguredClient]) -> Seeded:
        """One transaction for those that end, one per client, and before them one per district with
        rules; one for a changed key.
        """
        taken = []
        # First: a client that moved to another district keeps its id, which is unique.
        ended = await self._vendors.end_others([wanted.grant for wanted in clients])
        # Before a grant names it, a rule is filled: nobody reads an empty roster meanwhile.
        for district_id, rules in _rules(clients).items():
            await self._scopes.ensure(district_id, rules, now=self._clock.now())
        for wanted in clients:
            grant = keyed(wanted.grant, self._hash_key)
            there = await self._vendors.client(grant.client_id)
            if there is not None and not there.configured:
                taken.append(grant.client_id)
                continue
            same = there is not None and await self._digests.matches(
                wanted.secret, there.secret_hash
            )
            if there is not None and same and replace(there.grant, since_stamp=None) == grant:
                continue
            secret_hash = await self._digests.digest(wanted.secret)
            client = Client(client_id=grant.client_id, secret_hash=secret_hash, grant=grant)
            if not await self._vendors.seed(client, now=self._clock.now()):
                taken.append(grant.client_id)
        if self._hash_key is not None:
            await self._vendors.rekey(key_id(self._hash_key), now=self._clock.now())
        return Seeded(ended=ended, taken=taken)


def _rules(clients: Sequence[ConfiguredClient]) -> Mapping[str, Sequence[Rule]]:
    """The rules of the clients by district, each once."""
    found: dict[str, dict[Rule, None]] = {}
    for wanted in clients:
        for rule in wanted.grant.rules:
            found.setdefault(wanted.grant.district_id, {})[rule] = None
    return {district_id: list(rules) for district_id, rules in found.items()}
