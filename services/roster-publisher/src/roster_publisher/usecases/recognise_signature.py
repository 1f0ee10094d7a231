"""Let in who signs by OAuth 1.0a. Source: RFC 5849; OneRoster 1.1, security.

Nothing is remembered between requests, so that an unknown key costs what a wrong secret costs, and
a key that has ended opens nothing from that moment on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from roster_publisher.domain.access import AccessToken
from roster_publisher.domain.oauth1 import WINDOW, SignedRequest
from roster_publisher.ports import Clock
from roster_publisher.ports.vendors import Nonces, SigningKeys, Vendors

# For an unknown key: some secret and some client, which nobody has.
_NOBODY: Final = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRefused:
    """Why a signature opens nothing. An unknown key and a wrong secret are told alike."""

    why: Literal["time", "signature", "nonce"]


class RecogniseSignature:
    """Finds the grant behind a signed request; a request is recognised once."""

    def __init__(
        self,
        keys: SigningKeys,
        nonces: Nonces,
        vendors: Vendors,
        clock: Clock,
        *,
        published: Callable[[str], bool],
    ) -> None:
        """`published` knows secrets that everybody can read in our documentation."""
        self._keys = keys
        self._nonces = nonces
        self._vendors = vendors
        self._clock = clock
        self._published = published

    async def __call__(self, request: SignedRequest) -> AccessToken | SignatureRefused:
        """A grant with all its scopes, for this request. Commits the nonce before it returns.

        The nonce is spent last: nobody without the secret can spend one.
        """
        now = self._clock.now()
        if not request.is_timely(now):
            return SignatureRefused(why="time")
        found = await self._keys.find(request.key)
        client_id, secret = found or _NOBODY
        client = await self._vendors.client(client_id)
        fits = request.is_signed_with(secret)
        if found is None or client is None or not fits or self._published(secret):
            return SignatureRefused(why="signature")
        grant = client.grant
        until = now + 2 * WINDOW
        if not await self._nonces.spend(grant, request.digest, until=until):
            return SignatureRefused(why="nonce")
        return AccessToken(grant=grant, token_scopes=grant.token_scopes, expires_at=until)

    async def as_it_is(self, access: AccessToken) -> AccessToken | None:
        """What a request that was let in would be given now; None once its client has ended."""
        client = await self._vendors.client(access.grant.client_id)
        if client is None or client.grant.district_id != access.grant.district_id:
            return None
        return replace(access, grant=client.grant, token_scopes=client.grant.token_scopes)
