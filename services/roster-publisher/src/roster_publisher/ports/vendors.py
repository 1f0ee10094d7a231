"""What letting vendors in needs: clients, grants, tokens and secrets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from roster_publisher.domain.access import AccessToken, Client, Grant, SigningKey
from roster_publisher.domain.rules import Rule


class Vendors(Protocol):
    """Clients, grants and tokens. Each call is its own transaction."""

    async def client(self, client_id: str) -> Client | None:
        """The client with its grant."""
        ...

    async def keep_token(
        self, token: AccessToken, token_hash: bytes, *, secret_hash: str, now: datetime
    ) -> datetime | None:
        """Store a token that was asked for with the secret behind `secret_hash`.

        Returns when it ends: no later than that secret. None when the secret does not count any
        more; then nothing is stored. Committed when this returns.
        """
        ...

    async def token(self, token_hash: bytes, *, now: datetime) -> AccessToken | None:
        """The live token with its grant as it stands now."""
        ...

    async def seed(self, client: Client, *, now: datetime) -> bool:
        """Make the client exist as given, by settings; may run at every start. False for one that
        operators have made: it stays as it is.
        """
        ...

    async def rekey(self, hash_key_id: str, *, now: datetime) -> int:
        """Note that values are hashed with another key: every grant that hashes shows something
        else from now on. Returns how many were told so; nothing the second time.
        """
        ...

    async def end_others(self, kept: Sequence[Grant]) -> Sequence[str]:
        """End every client that settings once gave, with grant and tokens, but for `kept`.

        Returns the ids of those ended.
        """
        ...

    async def version(self) -> int:
        """Another number when what any vendor may do was changed, by whatever process."""
        ...


class SigningKeys(Protocol):
    """The keys with which vendors sign by OAuth 1. Each call is its own transaction."""

    async def find(self, key: str) -> tuple[str, str] | None:
        """(client id, secret) behind a key; None when it is unknown or its secret does not open.

        Takes as long for one as for the other.
        """
        ...

    async def keep(self, wanted: Sequence[SigningKey]) -> None:
        """Make these the keys of all clients that settings give; may run at every start."""
        ...


class Nonces(Protocol):
    """What was signed once, over all processes."""

    async def spend(self, grant: Grant, digest: bytes, *, until: datetime) -> bool:
        """Whether the grant's client did not spend `digest` before; committed when this returns.

        It is remembered until `until` at least.
        """
        ...


class Scopes(Protocol):
    """Scopes of rules. Each call is its own transaction."""

    async def ensure(self, district_id: str, rules: Sequence[Rule], *, now: datetime) -> int:
        """Make the rules scopes of the district, with everything that is in them.

        New ones are a publishing commit of their own. To be called before a grant names them; a
        rule that is a scope already is only kept. Returns how many were new.
        """
        ...


class Digests(Protocol):
    """Slow and fast hashes of secrets, and fresh tokens."""

    async def matches(self, secret: str, stored: str) -> bool:
        """Whether `secret` is the one behind `stored`, in constant time."""
        ...

    async def digest(self, secret: str) -> str:
        """What to store of `secret`."""
        ...

    def new_secret(self) -> str:
        """A fresh secret of a client: 256 random bits as text that says it was made here."""
        ...

    def new_token(self) -> str:
        """256 random bits as text."""
        ...
