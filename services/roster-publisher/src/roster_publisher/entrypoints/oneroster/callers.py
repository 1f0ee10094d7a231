"""Who asks for OneRoster: by a bearer token, and in 1.1 by a signature too.

Source: RFC 6750; RFC 5849.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from roster_common.runtime.metrics import metric
from roster_publisher.domain.access import AccessToken, Grant
from roster_publisher.domain.oauth1 import WINDOW, BadSignature, SignedRequest, read_signed
from roster_publisher.domain.pacing import whole_seconds
from roster_publisher.entrypoints.oneroster.errors import Fault, busy, unauthorised
from roster_publisher.entrypoints.oneroster.request import base_address, path_below
from roster_publisher.ports import Clock
from roster_publisher.usecases.note_pulls import Noted
from roster_publisher.usecases.pace_callers import PaceCallers
from roster_publisher.usecases.recognise_signature import RecogniseSignature, SignatureRefused
from roster_publisher.usecases.tokens import RecogniseToken

_MAX_TOKEN: Final = 512
_BEARER: Final = b'Bearer realm="oneroster"'
_OAUTH: Final = b'OAuth realm="oneroster"'

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is answered: `still` says, between the pieces of a long answer, whether it may go on."""

    access: AccessToken
    still: Callable[[], Awaitable[bool]]

    @property
    def grant(self) -> Grant:
        """What the caller sees."""
        return self.access.grant


class Callers:
    """Finds the token in force of a request, and keeps its client to a pace; `signatures` None
    takes no signature.
    """

    def __init__(
        self,
        recognise: RecogniseToken,
        clock: Clock,
        pace: PaceCallers,
        *,
        public_url: str | None,
        signatures: RecogniseSignature | None,
    ) -> None:
        self._recognise = recognise
        self._clock = clock
        self._pace = pace
        self._public_url = public_url
        self._signatures = signatures

    async def __call__(
        self, scope: dict[str, Any], headers: dict[bytes, bytes], noted: Noted
    ) -> Caller:
        """Who asks, whose client is `noted`. Raises the 401 `Fault` without a token or signature in
        force, 429 beyond the client's pace.
        """
        header = headers.get(b"authorization", b"").decode("latin-1")
        found = await self._by_signature(scope, headers, header)
        if found is None:
            found = await self._by_token(header)
        wait_s = self._pace.take(found.grant.client_id, found.grant.pace)
        if wait_s:
            metric("vendor_requests_refused_total").labels(door="reads").inc()
            raise busy(whole_seconds(wait_s))
        noted.of = found.grant
        return found

    def _caller(
        self, access: AccessToken, look: Callable[[], Awaitable[AccessToken | None]]
    ) -> Caller:
        async def still() -> bool:
            """Whether what was let in is in force, and opens and shows what it did."""
            now = await look()
            return (
                now is not None
                and now.grant.shows == access.grant.shows
                and now.token_scopes >= access.token_scopes
                and now.grant.is_in_force(self._clock.now())
            )

        return Caller(access=access, still=still)

    async def _by_token(self, header: str) -> Caller:
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not 0 < len(token) <= _MAX_TOKEN:
            wanted = "a bearer token is needed"
            if self._signatures is not None:
                wanted = "a bearer token or a signature by OAuth 1 is needed"
            raise self._unauthorised(wanted)
        found = await self._recognise(token.strip())
        if found is None:
            raise self._unauthorised("the token is unknown or has expired")
        return self._caller(found, lambda: self._recognise(token.strip()))

    async def _by_signature(
        self, scope: dict[str, Any], headers: dict[bytes, bytes], header: str
    ) -> Caller | None:
        """None for a request that is not signed, or that brings a token."""
        signatures = self._signatures
        if signatures is None or header[:7].lower() == "bearer ":
            return None
        base = base_address(scope, headers, self._public_url)
        signed = self._read(scope, header, f"{base}{path_below(scope)}")
        if signed is None:
            return None
        found = await signatures(signed)
        if isinstance(found, AccessToken):
            access = found
            return self._caller(access, lambda: signatures.as_it_is(access))
        logger.info("signature_refused", why=found.why)
        raise self._unauthorised(_words(found, base))

    def _read(self, scope: dict[str, Any], header: str, address: str) -> SignedRequest | None:
        try:
            query = scope["query_string"].decode()
            return read_signed(scope["method"], address, header=header, query=query)
        except UnicodeDecodeError as error:
            raise self._unauthorised("the query is not UTF-8") from error
        except BadSignature as error:
            raise self._unauthorised(str(error)) from error

    def _unauthorised(self, description: str) -> Fault:
        ways = [_BEARER] if self._signatures is None else [_BEARER, _OAUTH]
        return unauthorised(description, ways)


def _words(refused: SignatureRefused, base: str) -> str:
    match refused.why:
        case "time":
            seconds = int(WINDOW.total_seconds())
            return f"oauth_timestamp is more than {seconds} s from the time here"
        case "nonce":
            return "this oauth_nonce was used before; every request needs one of its own"
        case "signature":
            return (
                "the key is unknown or the signature does not fit; the address to sign begins with"
                f" {base}/"
            )
