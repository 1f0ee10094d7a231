"""Hashes of vendor secrets, and fresh tokens.

A secret we made is 256 random bits, which no one can guess, so a fast hash is enough. A secret
somebody chose can be guessed, so it gets scrypt, in a thread, a few at a time.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import secrets
from typing import Final

_SCRYPT_N: Final = 2**14
_SCRYPT_R: Final = 8
_SCRYPT_P: Final = 1
_SALT_BYTES: Final = 16
_AT_ONCE: Final = 2
_MADE_BY_US: Final = re.compile(r"hrs_[A-Za-z0-9_-]{43}")


class SecretDigests:
    """Digests say themselves how they were made: `blake2b$…` or `scrypt$salt$…`."""

    def __init__(self) -> None:
        self._slow = asyncio.Semaphore(_AT_ONCE)

    async def matches(self, secret: str, stored: str) -> bool:
        """Whether `secret` is the one behind `stored`, compared in constant time."""
        kind, _, rest = stored.partition("$")
        if kind == "blake2b":
            return hmac.compare_digest(_fast(secret), stored)
        salt, _, _ = rest.partition("$")
        return hmac.compare_digest(await self._scrypt(secret, base64.b64decode(salt)), stored)

    async def digest(self, secret: str) -> str:
        """What to store of `secret`."""
        if _MADE_BY_US.fullmatch(secret):
            return _fast(secret)
        return await self._scrypt(secret, os.urandom(_SALT_BYTES))

    def new_secret(self) -> str:
        """256 random bits as text that says it was made here."""
        return f"hrs_{secrets.token_urlsafe(32)}"

    def new_token(self) -> str:
        """256 random bits as text."""
        return secrets.token_urlsafe(32)

    async def _scrypt(self, secret: str, salt: bytes) -> str:
        async with self._slow:
            digest = await asyncio.to_thread(
                hashlib.scrypt, secret.encode(), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P
            )
        return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _fast(secret: str) -> str:
    return f"blake2b${hashlib.blake2b(secret.encode(), digest_size=32).hexdigest()}"
