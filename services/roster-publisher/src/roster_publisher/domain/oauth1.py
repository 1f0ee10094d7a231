"""Requests signed by OAuth 1.0a with a key and its secret alone: what was signed, and with what.

Everything a query holds is signed, so it is worked on as the pairs that were sent: doubled and
empty ones too. Pure. Source: RFC 5849, section 3; RFC 6749 is the other way in.
"""

import base64
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote, unquote_plus, urlsplit

Pair: TypeAlias = tuple[str, str]
WINDOW: Final = timedelta(seconds=300)
PREFIX: Final = "oauth_"
_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "HMAC-SHA1": hashlib.sha1,
    "HMAC-SHA256": hashlib.sha256,
}
_NEEDED: Final = ("consumer_key", "signature_method", "signature", "timestamp", "nonce")
_SCHEME: Final = re.compile(r"oauth\s+", re.IGNORECASE)
# Values are percent-encoded, so that neither quote nor comma is in one, but for the realm.
# What is taken is not given back, so that reading takes time in proportion to the header.
_ONE: Final = re.compile(r'\s*+([^\s=",]++)\s*+=\s*+(?:"([^"]*+)"|([^\s",]*+))\s*+(?:,|$)')
_SECONDS: Final = re.compile(r"[0-9]{1,11}")
_LONGEST: Final = 256
_PORTS: Final = {"http": 80, "https": 443}


class BadSignature(ValueError):
    """A request that is signed in a way that cannot be read. The text goes to the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """`address` is as it is signed and has no query; `pairs` are all that were signed, decoded.
    `timestamp` is in seconds since 1970.
    """

    method: str
    address: str
    pairs: tuple[Pair, ...]
    key: str
    hashed_by: str
    signature: str
    timestamp: int
    nonce: str

    @property
    def digest(self) -> bytes:
        """32 bytes that no other request of an honest caller has."""
        whole = repr((self.key, self.timestamp, self.nonce))
        return hashlib.blake2b(whole.encode(), digest_size=32).digest()

    def is_timely(self, now: datetime) -> bool:
        """Whether it was signed within the window around `now`."""
        return abs(now.timestamp() - self.timestamp) <= WINDOW.total_seconds()

    def is_signed_with(self, secret: str) -> bool:
        """Whether `secret` made the signature, compared in constant time."""
        key = f"{_encoded(secret)}&".encode()
        made = hmac.new(key, self._base_string().encode(), _METHODS[self.hashed_by]).digest()
        return hmac.compare_digest(base64.b64encode(made), self.signature.encode())

    def _base_string(self) -> str:
        """RFC 5849, section 3.4.1."""
        encoded = sorted((_encoded(name), _encoded(value)) for name, value in self.pairs)
        pairs = "&".join(f"{name}={value}" for name, value in encoded)
        return "&".join((self.method, _encoded(self.address), _encoded(pairs)))


def read_signed(method: str, address: str, *, header: str, query: str) -> SignedRequest | None:
    """The signed request, or None for one that is not signed. Raises `BadSignature`.

    `address` is as the caller used it, without the query; `query` is raw, `header` is that of
    `Authorization` or empty.
    """
    asked = _query(query)
    found = _SCHEME.match(header)
    signing = [pair for pair in asked if pair[0].startswith(PREFIX)]
    if found is None and not signing:
        return None
    if found is not None:
        if signing:
            raise BadSignature("oauth_ parameters stand in the header or in the query, not in both")
        told = _header(header[found.end() :])
        signing = [pair for pair in told if pair[0].startswith(PREFIX)]
        asked += told
    values = _values(signing)
    return SignedRequest(
        method=method.upper(),
        address=_base_address(address),
        pairs=tuple(pair for pair in asked if pair[0] != f"{PREFIX}signature"),
        key=values["consumer_key"],
        hashed_by=values["signature_method"],
        signature=values["signature"],
        timestamp=int(values["timestamp"]),
        nonce=values["nonce"],
    )


def _values(signing: Sequence[Pair]) -> Mapping[str, str]:
    """What the parameters of the protocol say, without their prefix."""
    for name, times in Counter(name for name, _ in signing).items():
        if times > 1:
            raise BadSignature(f"{name[:_LONGEST]} is given more than once")
    values = {name.removeprefix(PREFIX): value for name, value in signing}
    for name in _NEEDED:
        if not 0 < len(values.get(name, "")) <= _LONGEST:
            raise BadSignature(f"{PREFIX}{name} is missing, empty or too long")
    if values["signature_method"] not in _METHODS:
        raise BadSignature(f"oauth_signature_method is not one of {', '.join(_METHODS)}")
    if not _SECONDS.fullmatch(values["timestamp"]):
        raise BadSignature("oauth_timestamp is not a number of seconds")
    if values.get("version", "1.0") != "1.0":
        raise BadSignature("oauth_version is not 1.0")
    if values.get("token"):
        raise BadSignature("oauth_token is not known here; the key and its secret sign alone")
    return values


def _query(raw: str) -> list[Pair]:
    try:
        return [
            (unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict"))
            for name, _, value in (part.partition("=") for part in raw.split("&") if part)
        ]
    except UnicodeDecodeError as error:
        raise BadSignature("the query is not UTF-8") from error


def _header(text: str) -> list[Pair]:
    """The pairs of the header but for the realm, which is not signed."""
    pairs, at = [], 0
    while at < len(text):
        found = _ONE.match(text, at)
        if found is None:
            raise BadSignature('the header is not: OAuth name="value", name="value"')
        try:
            name, value = (unquote(one or "", errors="strict") for one in _both(found))
        except UnicodeDecodeError as error:
            raise BadSignature("the header is not UTF-8") from error
        if name.lower() != "realm":
            pairs.append((name, value))
        at = found.end()
    return pairs


def _both(found: "re.Match[str]") -> Pair:
    return found[1], found[2] if found[2] is not None else found[3]


def _base_address(address: str) -> str:
    """Scheme and host in small letters, no port that goes without saying (section 3.4.1.2)."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise BadSignature("the Host header names no host that can be signed") from error
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != _PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    return f"{parts.scheme}://{host}{parts.path or '/'}"


def _encoded(text: str) -> str:
    """Section 3.6: everything but letters, digits and `-._~`, in capitals."""
    return quote(text, safe="")
