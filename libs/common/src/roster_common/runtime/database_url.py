"""The address of the database as a setting: looked at before anybody else can misread it.

A password with a bare `/`, `#` or `?` ends the address early, and whoever parses it then names the
rest of the password in an error. Pure; no message from here carries a piece of the address.
"""

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, SecretStr

RULE = (
    "is no address like postgresql://user:password@host:5432/database; in a user or a password "
    "write / # ? @ : % as %2F %23 %3F %40 %3A %25"
)


def _well_formed(url: SecretStr) -> SecretStr:
    try:
        _parse(url.get_secret_value())
    except ValueError:
        raise ValueError(RULE) from None
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_well_formed)]


def _parse(text: str) -> None:
    """Raise ValueError for what asyncpg could not read, or would read otherwise than meant."""
    parts = urlsplit(text)
    if parts.scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError
    if parts.fragment or "@" in parts.path + parts.query:
        raise ValueError
    for host in parts.netloc.rpartition("@")[2].split(","):
        _ = urlsplit(f"//{host}").port
    if parts.query:
        parse_qsl(parts.query, strict_parsing=True)
