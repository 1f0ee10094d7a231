"""The secrets that the emulator makes for its clients, and the file that tells them.

The file is written for its owner only. Started again with the same file, it keeps the secrets.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One client's: OAuth 2 id and secret, OAuth 1 key and secret."""

    client_id: str
    client_secret: str
    oauth1_key: str
    oauth1_secret: str


def made() -> Credentials:
    """New ones, of letters, digits, `-` and `_`."""
    return Credentials(
        client_id=f"client-{secrets.token_hex(6)}",
        client_secret=secrets.token_urlsafe(24),
        oauth1_key=f"key-{secrets.token_hex(6)}",
        oauth1_secret=secrets.token_urlsafe(24),
    )


def kept(file: Path) -> Credentials:
    """Those of the file, or new ones where there is none."""
    if not file.exists():
        return made()
    told = json.loads(file.read_text("utf-8"))
    return Credentials(
        client_id=told["clientId"],
        client_secret=told["clientSecret"],
        oauth1_key=told["oauth1Key"],
        oauth1_secret=told["oauth1Secret"],
    )


def write(file: Path, credentials: Credentials, **addresses: str) -> None:
    """Puts the secrets and the addresses where they serve into `file`, mode 0600."""
    told = {
        **addresses,
        "clientId": credentials.client_id,
        "clientSecret": credentials.client_secret,
        "oauth1Key": credentials.oauth1_key,
        "oauth1Secret": credentials.oauth1_secret,
    }
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump(told, out, indent=2)
