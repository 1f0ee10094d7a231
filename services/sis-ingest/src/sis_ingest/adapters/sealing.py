"""Webhook bodies at rest: sealed with AES-256-GCM, bound to the delivery they belong to.

A sealed body is the key's id (8 bytes), the nonce (12 bytes) and the ciphertext with its tag. The
delivery's id is authenticated with it, so a body moved to another row does not open. Source: ADR
0019; NIST SP 800-38D (random nonces: a key is good for 2^32 bodies).
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = _ID_BYTES + _NONCE_BYTES


def read_key(text: str) -> bytes:
    """The key in `text`, base64 of 32 bytes. Raises ValueError for anything else."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("a body key is base64 of 32 bytes")
    return key


class BodySeal:
    """Seals with the first key, opens with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._first = _key_id(keys[0])

    def seal(self, body: bytes, *, delivery_id: str) -> bytes:
        """The body as it is stored. Twice the same body gives different bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        head = self._first + nonce
        return head + self._ciphers[self._first].encrypt(nonce, body, delivery_id.encode())

    def open(self, sealed: bytes, *, delivery_id: str) -> bytes | None:
        """The body again; None when no key at hand opens it, or it is not this delivery's."""
        cipher = self._ciphers.get(sealed[:_ID_BYTES])
        if cipher is None:
            return None
        nonce = sealed[_ID_BYTES:_HEAD_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[_HEAD_BYTES:], delivery_id.encode())
        except (InvalidTag, ValueError):  # ValueError: cut short
            return None


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"homeroom body key" + key).digest()[:_ID_BYTES]
