"""Give tokens to vendors and recognise them. Source: OAuth 2 (RFC 6749, section 4.4; RFC 6750).

A token is opaque and kept as a hash. A recognised token is remembered for half a minute, so a
revoked grant stops within that time and a read costs no database call for its token.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from roster_publisher.domain.access import AccessToken
from roster_publisher.domain.collections import known_scopes
from roster_publisher.ports import Clock
from roster_publisher.ports.vendors import Digests, Vendors

TOKEN_LIFE: Final = timedelta(seconds=3600)
_REMEMBER: Final = timedelta(seconds=30)
_REMEMBERED: Final = 10_000
# Compared with when a client is unknown, so that the answer does not tell by its speed.
_NOBODY: Final = "scrypt$AAAAAAAAAAAAAAAAAAAAAA==$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A fresh token; it is shown this once."""

    token: str
    expires_in_s: int
    token_scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused:
    """Why no token is given, in the words of RFC 6749, section 5.2."""

    error: Literal["invalid_client", "invalid_scope", "unauthorized_client"]


class IssueToken:
    """Checks a client's secret and gives a token for the scopes it may have of those it asks."""

    def __init__(self, vendors: Vendors, digests: Digests, clock: Clock) -> None:
        self._vendors = vendors
        self._digests = digests
        self._clock = clock

    async def __call__(
        self, *, client_id: str, secret: str, scope: str | None
    ) -> Issued | TokenRefused:
        """`scope` is blank-separated. Commits the token before it returns."""
        client = await self._vendors.client(client_id)
        matches = await self._digests.matches(secret, client.secret_hash if client else _NOBODY)
        if client is None or not matches:
            return TokenRefused(error="invalid_client")
        now = self._clock.now()
        if not client.grant.is_in_force(now):
            return TokenRefused(error="unauthorized_client")
        granted = known_scopes(scope) & client.grant.token_scopes
        if not granted:
            return TokenRefused(error="invalid_scope")
        token = self._digests.new_token()
        await self._vendors.keep_token(
            AccessToken(grant=client.grant, token_scopes=granted, expires_at=now + TOKEN_LIFE),
            token_hash(token),
        )
        return Issued(
            token=token, expires_in_s=int(TOKEN_LIFE.total_seconds()), token_scopes=granted
        )


class RecogniseToken:
    """Finds the grant behind a token; remembers up to 10,000 of them for half a minute."""

    def __init__(self, vendors: Vendors, clock: Clock) -> None:
        self._vendors = vendors
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[AccessToken, float]] = OrderedDict()

    def forget(self) -> None:
        """Look every token up anew: grants have changed, and nobody may read on by an old one."""
        self._known.clear()

    async def __call__(self, token: str) -> AccessToken | None:
        """The live token, or None when it is unknown, expired or revoked."""
        digest = token_hash(token)
        now = self._clock.now()
        known = self._known.get(digest)
        if known is not None and now.timestamp() < known[1] and now < known[0].expires_at:
            return known[0]
        found = await self._vendors.token(digest, now=now)
        if found is None:
            self._known.pop(digest, None)
            return None
        self._known[digest] = (found, (now + _REMEMBER).timestamp())
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


def token_hash(token: str) -> bytes:
    """32 bytes; a fast hash, because a token is 256 random bits."""
    return hashlib.blake2b(token.encode(), digest_size=32).digest()
