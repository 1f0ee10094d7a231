"""OAuth 1.0a signed requests (RFC 5849), verified by oauthlib: key, time window, nonce, signature.

Two-legged: a consumer key and its secret, no token. HMAC-SHA1 and HMAC-SHA256 both occur.
"""

from collections import deque

from oauthlib.common import Request as SignedRequest
from oauthlib.oauth1 import (
    SIGNATURE_HMAC_SHA1,
    SIGNATURE_HMAC_SHA256,
    RequestValidator,
    SignatureOnlyEndpoint,
)
from starlette.requests import Request

from sis_emulators.evidence import Evidence
from sis_emulators.wire.credentials import Credentials

WINDOW_S = 300
REMEMBERED = 200_000


class _Rules(RequestValidator):
    """One client, no RSA, plain HTTP allowed because it is the loopback."""

    enforce_ssl = False
    timestamp_lifetime = WINDOW_S
    allowed_signature_methods = (SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256)
    dummy_client = "dummy"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials
        self._seen: set[tuple[str, str, str]] = set()
        self._order: deque[tuple[str, str, str]] = deque()

    def check_client_key(self, client_key: str) -> bool:
        """Any shape: ours holds a dash, which oauthlib's own rule refuses."""
        return bool(client_key)

    def check_nonce(self, nonce: str) -> bool:
        """Any that is not empty or huge."""
        return 0 < len(nonce) <= 256

    def validate_client_key(self, client_key: str, _request: SignedRequest) -> bool:
        """Whether it is ours."""
        return client_key == self._credentials.oauth1_key

    def get_client_secret(self, _client_key: str, _request: SignedRequest) -> str:
        """The one secret; an unknown key has been refused by then in all but time."""
        return self._credentials.oauth1_secret

    def validate_timestamp_and_nonce(
        self,
        client_key: str,
        timestamp: str,
        nonce: str,
        _request: SignedRequest,
        _request_token: str | None = None,
        _access_token: str | None = None,
    ) -> bool:
        """Whether this nonce is new; the window itself is checked by oauthlib."""
        seen = (client_key, timestamp, nonce)
        if seen in self._seen:
            return False
        self._seen.add(seen)
        self._order.append(seen)
        if len(self._order) > REMEMBERED:
            self._seen.discard(self._order.popleft())
        return True


class SignatureCheck:
    """Verifies signed requests of one client."""

    def __init__(self, credentials: Credentials, evidence: Evidence) -> None:
        self._key = credentials.oauth1_key
        self._evidence = evidence
        self._endpoint = SignatureOnlyEndpoint(_Rules(credentials))

    def check(self, request: Request) -> bool:
        """Whether the request is signed well; counted if not."""
        headers = {"Authorization": request.headers.get("authorization", "")}
        address = str(request.url)
        valid, _ = self._endpoint.validate_request(address, request.method, None, headers)
        if not valid:
            self._evidence.refusals["bad_signature"] += 1
            return False
        request.scope.setdefault("state", {})["client"] = self._key
        return True
