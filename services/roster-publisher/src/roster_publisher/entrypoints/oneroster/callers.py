"""Who asks for OneRoster: by a bearer token, and in 1.1 by a signature too.

Source: RFC 6750; RFC 5849.
"""

from typing import Any, Final

import structlog

from roster_publisher.domain.access import AccessToken
from roster_publisher.domain.oauth1 import WINDOW, BadSignature, SignedRequest, read_signed
from roster_publisher.entrypoints.oneroster.errors import Fault, forbidden, unauthorised
from roster_publisher.entrypoints.oneroster.request import base_address, path_below
from roster_publisher.ports import Clock
from roster_publisher.usecases.recognise_signature import RecogniseSignature, SignatureRefused
from roster_publisher.usecases.tokens import RecogniseToken

_MAX_TOKEN: Final = 512
_BEARER: Final = b'Bearer realm="oneroster"'
_OAUTH: Final = b'OAuth realm="oneroster"'

logger = structlog.get_logger(__name__)


class Callers:
    """Finds the token in force of a request; `signatures` None takes no signature."""

    def __init__(
        self,
        recognise: RecogniseToken,
        clock: Clock,
        *,
        public_url: str | None,
        signatures: RecogniseSignature | None,
    ) -> None:
        self._recognise = recognise
        self._clock = clock
        self._public_url = public_url
        self._signatures = signatures

    async def __call__(self, scope: dict[str, Any], headers: dict[bytes, bytes]) -> AccessToken:
        """Raises the 401 `Fault` without a token or signature in force, 403 once the agreement has
        ended.
        """
        header = headers.get(b"authorization", b"").decode("latin-1")
        found = await self._by_signature(scope, headers, header)
        if found is None:
            found = await self._by_token(header)
        if not found.grant.is_in_force(self._clock.now()):
            raise forbidden("the agreement behind this grant has ended")
        return found

    async def _by_token(self, header: str) -> AccessToken:
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not 0 < len(token) <= _MAX_TOKEN:
            wanted = "a bearer token is needed"
            if self._signatures is not None:
                wanted = "a bearer token or a signature by OAuth 1 is needed"
            raise self._unauthorised(wanted)
        found = await self._recognise(token.strip())
        if found is None:
            raise self._unauthorised("the token is unknown or has expired")
        return found

    async def _by_signature(
        self, scope: dict[str, Any], headers: dict[bytes, bytes], header: str
    ) -> AccessToken | None:
        """None for a request that is not signed, or that brings a token."""
        if self._signatures is None or header[:7].lower() == "bearer ":
            return None
        base = base_address(scope, headers, self._public_url)
        signed = self._read(scope, header, f"{base}{path_below(scope)}")
        if signed is None:
            return None
        found = await self._signatures(signed)
        if isinstance(found, AccessToken):
            return found
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
