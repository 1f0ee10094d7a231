"""Requests signed by oauthlib, as a vendor's client would."""

from collections.abc import Mapping, Sequence

import httpx2
from oauthlib.oauth1 import (
    SIGNATURE_HMAC_SHA1,
    SIGNATURE_HMAC_SHA256,
    SIGNATURE_TYPE_AUTH_HEADER,
    SIGNATURE_TYPE_QUERY,
    Client,
)

KEY, SECRET = "reading-app.1", "a secret & more/+="
HASHES = (SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256)
PLACES = (SIGNATURE_TYPE_AUTH_HEADER, SIGNATURE_TYPE_QUERY)

Params = Mapping[str, str] | Sequence[tuple[str, str]]


def signed(
    address: str,
    params: Params = (),
    *,
    at: float,
    key: str = KEY,
    secret: str = SECRET,
    hashed_by: str = SIGNATURE_HMAC_SHA1,
    place: str = SIGNATURE_TYPE_AUTH_HEADER,
    nonce: str | None = None,
    **more: str,
) -> httpx2.Request:
    """A GET of a whole address, signed `at` so many seconds since 1970 with a nonce of its own."""
    client = Client(
        key,
        client_secret=secret,
        signature_method=hashed_by,
        signature_type=place,
        timestamp=str(int(at)),
        nonce=nonce,
        **more,
    )
    url, headers, _ = client.sign(str(httpx2.URL(address, params=params or None)))
    return httpx2.Request("GET", url, headers=headers)
