"""The installation's keys and operator token as files that only their owner can read.

The signature itself is libs/common's (`roster_common.runtime.tokens`). The body key is what
sis-ingest seals webhook bodies with.
"""

import base64
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from homeroom.errors import CommandFailed
from homeroom.layout import Layout
from roster_common.runtime.clock import SystemClock
from roster_common.runtime.tokens import MAX_LIFETIME, Role, mint, new_keypair, public_key_of

OWNER_ONLY = 0o600
BODY_KEY_BYTES = 32
LONGEST_HOURS = MAX_LIFETIME.total_seconds() / 3600


def prepare(layout: Layout, *, districts: Sequence[str]) -> str:
    """Make the keys unless they are there, mint an admin's token, keep all, return the token."""
    if not layout.private_key.exists():
        new_key_file(layout.private_key)
    if not layout.body_key.exists():
        _write(layout.body_key, new_body_key())
    token = mint_token(
        layout.private_key,
        subject="demo-operator",
        role="admin",
        districts=districts,
        hours=LONGEST_HOURS,
    )
    layout.token.unlink(missing_ok=True)
    _write(layout.token, token)
    return token


def new_key_file(file: Path) -> str:
    """Write a new private key to `file` and return its public key. Never overwrites a file."""
    private, public = new_keypair()
    try:
        _write(file, private)
    except FileExistsError:
        raise CommandFailed(f"{file} exists; a key is never overwritten") from None
    return public


def new_body_key() -> str:
    """Return a new key for webhook bodies, as the services take it. It is a secret."""
    return base64.b64encode(os.urandom(BODY_KEY_BYTES)).decode()


def body_key(layout: Layout) -> str:
    """Return the installation's body key. It is a secret."""
    return _read(layout.body_key)


def public_key(layout: Layout) -> str:
    """Return the installation's public key, as the services take it."""
    return public_key_of(_read(layout.private_key))


def mint_token(
    key: Path, *, subject: str, role: Role, districts: Sequence[str], hours: float
) -> str:
    """Return a token signed with the private key in `key`. It is a secret for `hours` hours."""
    return mint(
        _read(key),
        subject=subject,
        role=role,
        districts="*" if "*" in districts else districts,
        now=SystemClock().now(),
        lifetime=timedelta(hours=hours),
    )


def _read(key: Path) -> str:
    try:
        return key.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CommandFailed(f"there is no key in {key}") from None


def _write(file: Path, secret: str) -> None:
    """Write a file that never existed with wider rights, not even for a moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(secret)
