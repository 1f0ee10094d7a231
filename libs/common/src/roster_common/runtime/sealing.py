"""What must be read again and may not lie open: sealed with AES-256-GCM, bound to where it belongs.

What is sealed is the key's id (8 bytes), the nonce (12 bytes) and the ciphertext with its tag. The
id of what it belongs to is authenticated with it, so sealed bytes moved to another row do not open.
Source: ADR 0019; NIST SP 800-38D (random nonces: a key is good for 2^32 sealings).
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
        raise ValueError("a key is base64 of 32 bytes")
    return key


class Seal:
    """Seals with the first key, opens with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._first = _key_id(keys[0])

    def seal(self, plain: bytes, *, bound_to: str) -> bytes:
        """The bytes as they are stored. Twice the same gives different ones."""
        nonce = os.urandom(_NONCE_BYTES)
        head = self._first + nonce
        return head + self._ciphers[self._first].encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> bytes | None:
        """What was sealed; None when no key at hand opens it, or it belongs elsewhere."""
        cipher = self._ciphers.get(sealed[:_ID_BYTES])
        if cipher is None:
            return None
        nonce = sealed[_ID_BYTES:_HEAD_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[_HEAD_BYTES:], bound_to.encode())
        except (InvalidTag, ValueError):  # ValueError: cut short
            return None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key sealed it."""
        return sealed[:_ID_BYTES] == self._first


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"homeroom body key" + key).digest()[:_ID_BYTES]
