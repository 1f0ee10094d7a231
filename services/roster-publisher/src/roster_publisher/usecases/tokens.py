"""Give tokens to vendors and recognise them. Source: OAuth 2 (RFC 6749, section 4.4; RFC 6750).

A token is opaque and kept as a hash. A recognised token is remembered for half a minute, so a
revoked grant stops within that time and a read costs no database call for its token.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from roster_publisher.domain.access import AccessToken, Client, Grant
from roster_publisher.domain.audit import AuditEntry
from roster_publisher.domain.collections import known_scopes
from roster_publisher.ports import Clock
from roster_publisher.ports.audit import AuditTrail
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
    """Checks a client's secret and gives a token for the scopes it may have of those it asks.

    An old secret counts until its time, and so do the tokens given for it.
    """

    def __init__(self, vendors: Vendors, digests: Digests, clock: Clock, trail: AuditTrail) -> None:
        self._vendors = vendors
        self._digests = digests
        self._clock = clock
        self._trail = trail

    async def __call__(
        self, *, client_id: str, secret: str, scope: str | None
    ) -> Issued | TokenRefused:
        """`scope` is blank-separated. Commits the token before it returns."""
        client = await self._vendors.client(client_id)
        now = self._clock.now()
        outcome = await self._issue(client, secret, scope, now)
        if client is not None:
            self._trail.note(_entry(client.grant, outcome, now))
        return outcome

    async def _issue(
        self, client: Client | None, secret: str, scope: str | None, now: datetime
    ) -> Issued | TokenRefused:
        matched = await self._matched(client, secret, now)
        if client is None or matched is None:
            return TokenRefused(error="invalid_client")
        if not client.grant.is_in_force(now):
            return TokenRefused(error="unauthorized_client")
        granted = known_scopes(scope) & client.grant.token_scopes
        if not granted:
            return TokenRefused(error="invalid_scope")
        token = self._digests.new_token()
        kept = await self._vendors.keep_token(
            AccessToken(grant=client.grant, token_scopes=granted, expires_at=now + TOKEN_LIFE),
            token_hash(token),
            secret_hash=matched,
            now=now,
        )
        if kept is None:
            # The secret was taken back while it was looked at.
            return TokenRefused(error="invalid_client")
        return Issued(
            token=token, expires_in_s=int((kept - now).total_seconds()), token_scopes=granted
        )

    async def _matched(self, client: Client | None, secret: str, now: datetime) -> str | None:
        """The hash of the client's secret that this one is, if it counts now."""
        known = [client.secret_hash] if client is not None else [_NOBODY]
        if client is not None:
            known += [old.secret_hash for old in client.old_secrets if now < old.until]
        for stored in known:
            if await self._digests.matches(secret, stored):
                return stored
        return None


def _entry(grant: Grant, outcome: Issued | TokenRefused, now: datetime) -> AuditEntry:
    match outcome:
        case Issued():
            what, status = "given", 200
            detail = " ".join(sorted(one.rpartition("/or/")[2] for one in outcome.token_scopes))
        case TokenRefused():
            what, detail = "refused", outcome.error
            status = 401 if outcome.error == "invalid_client" else 400
        case _:
            assert_never(outcome)
    return AuditEntry(
        district_id=grant.district_id,
        client_id=grant.client_id,
        at=now,
        door="token",
        what=what,
        detail=detail,
        status=status,
    )


class RecogniseToken:
    """Finds the grant behind a token; remembers up to 10,000 of them for half a minute."""

    def __init__(self, vendors: Vendors, clock: Clock) -> None:
        self._vendors = vendors
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[AccessToken, float]] = OrderedDict()
        self._times_forgotten = 0

    def forget(self) -> None:
        """Look every token up anew: grants have changed, and nobody may read on by an old one."""
        self._known.clear()
        self._times_forgotten += 1

    async def __call__(self, token: str) -> AccessToken | None:
        """The live token, or None when it is unknown, expired or revoked."""
        digest = token_hash(token)
        now = self._clock.now()
        known = self._known.get(digest)
        if known is not None and now.timestamp() < known[1] and now < known[0].expires_at:
            return known[0]
        before = self._times_forgotten
        found = await self._vendors.token(digest, now=now)
        if found is None:
            self._known.pop(digest, None)
            return None
        if before != self._times_forgotten:
            # It may have been looked up before what changed meanwhile.
            return found
        self._known[digest] = (found, (now + _REMEMBER).timestamp())
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


def token_hash(token: str) -> bytes:
    """32 bytes; a fast hash, because a token is 256 random bits."""
    return hashlib.blake2b(token.encode(), digest_size=32).digest()
