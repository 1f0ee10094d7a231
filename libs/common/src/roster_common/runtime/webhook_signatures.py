"""Standard Webhooks signatures: proves that a body came from whoever holds a secret. Pure.

Own code because the library reads the machine's clock; tests sign and verify with the library.
Source: standardwebhooks.com specification, symmetric signatures `v1`.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from roster_common.errors import NotVerified

WINDOW: Final = timedelta(minutes=5)
_ID: Final = re.compile(r"[!-~]{1,255}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_PREFIX: Final = "whsec_"


def verify(
    headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime
) -> str:
    """The sender's id of the delivery. Any one of `secrets` may have signed it.

    Raises `NotVerified` with the header and a code: header_missing, header_malformed,
    timestamp_outside_window, signature_mismatch. Every secret and signature is compared, in
    constant time each.
    """
    delivery_id = _header(headers, "webhook-id")
    timestamp = _header(headers, "webhook-timestamp")
    given = _header(headers, "webhook-signature")
    if not _ID.fullmatch(delivery_id):
        raise NotVerified("header_malformed", field="webhook-id")
    if not _SECONDS.fullmatch(timestamp):
        raise NotVerified("header_malformed", field="webhook-timestamp")
    if abs(now.timestamp() - int(timestamp)) > WINDOW.total_seconds():
        raise NotVerified("timestamp_outside_window", field="webhook-timestamp")
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    offered = _signatures(given)
    matched = False
    for secret in secrets:
        expected = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
        for signature in offered:
            matched |= hmac.compare_digest(expected, signature)
    if not matched:
        raise NotVerified("signature_mismatch", field="webhook-signature")
    return delivery_id


def sign(delivery_id: str, body: bytes, *, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The three headers that prove `body`. Every secret signs, so that a receiver may know the old
    or the new one while they are being changed. Raises ValueError for what is no secret.
    """
    timestamp = str(int(now.timestamp()))
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    signatures = [
        base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()
        for secret in secrets
    ]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def is_secret(text: str) -> bool:
    """Whether there is a key in it: base64, with or without `whsec_` before it."""
    try:
        return bool(key_of(text))
    except ValueError:
        return False


def key_of(secret: str) -> bytes:
    """The key inside a secret, with or without `whsec_`. Raises ValueError if it is not base64."""
    text = secret.removeprefix(_PREFIX)
    key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    if not key:
        message = "a webhook secret may not be empty"
        raise ValueError(message)
    return key


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise NotVerified("header_missing", field=name)
    return value


def _signatures(header: str) -> list[bytes]:
    """The `v1` signatures of a space-separated list; other versions and nonsense are skipped."""
    found = []
    for item in header.split(" ")[:10]:
        version, _, text = item.partition(",")
        if version != "v1":
            continue
        try:
            found.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found
