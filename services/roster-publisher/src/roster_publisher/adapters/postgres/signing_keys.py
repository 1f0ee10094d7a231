"""`SigningKeys` and `Nonces` on PostgreSQL. Secrets are sealed, each to its client and key."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from roster_common.runtime.database import Database
from roster_common.runtime.logging import get_logger
from roster_common.runtime.sealing import Seal
from roster_publisher.domain.access import Grant, SigningKey

# A key is unique over the installation: it is how its client is found. One row; unique index.
_FIND: Final = """
    SELECT district_id, client_id, sealed_secret FROM roster_publisher.signing_key WHERE key = $1
"""

# Purpose: end the keys that settings no longer give to a client of theirs.
# Rows: the vendors of the installation, some dozens, once at each start. Index: none is needed.
_END_OTHERS: Final = """
    DELETE FROM roster_publisher.signing_key k USING roster_publisher.client c
    WHERE c.district_id = k.district_id AND c.client_id = k.client_id AND c.configured
      AND NOT EXISTS (
        SELECT FROM unnest($1::text[], $2::text[], $3::text[]) AS kept (district_id, client_id, key)
        WHERE kept.district_id = k.district_id AND kept.client_id = k.client_id
          AND kept.key = k.key)
"""

_STORED: Final = """
    SELECT sealed_secret FROM roster_publisher.signing_key
    WHERE district_id = $1 AND client_id = $2 AND key = $3
"""

# One row, for a client that settings give.
_KEEP: Final = """
    INSERT INTO roster_publisher.signing_key (district_id, client_id, key, sealed_secret)
    SELECT district_id, client_id, $3, $4 FROM roster_publisher.client
    WHERE district_id = $1 AND client_id = $2 AND configured
    ON CONFLICT (district_id, client_id) DO UPDATE SET
        key = excluded.key, sealed_secret = excluded.sealed_secret
"""

# One row, or none when it is there already, also when another process is just writing it.
_SPEND: Final = """
    INSERT INTO roster_publisher.nonce (district_id, client_id, digest, expires_at)
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING true
"""

logger = get_logger(__name__)


class PostgresSigningKeys:
    """Each call is a transaction of its own."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal
        self._nobody = seal.seal(bytes(32), bound_to="")

    async def find(self, key: str) -> tuple[str, str] | None:
        """(client id, secret); as much is done for a key that nobody has."""
        async with self._database.begin() as tx:
            row = await (await tx.driver()).fetchrow(_FIND, key.replace("\x00", ""))
        if row is None:
            self._seal.open(self._nobody, bound_to="")
            return None
        district_id, client_id = row["district_id"], row["client_id"]
        secret = self._seal.open(row["sealed_secret"], bound_to=_place(district_id, client_id, key))
        if secret is None:
            logger.error("signing_key_does_not_open", district=district_id, client=client_id)
            return None
        return client_id, secret.decode()

    async def keep(self, wanted: Sequence[SigningKey]) -> None:
        """A secret that is stored under the first key already is left as it is."""
        async with self._database.begin() as tx:
            driver: asyncpg.Connection = await tx.driver()
            await driver.execute(
                _END_OTHERS,
                [one.district_id for one in wanted],
                [one.client_id for one in wanted],
                [one.key for one in wanted],
            )
            for one in wanted:
                who = (one.district_id, one.client_id, one.key)
                stored = await driver.fetchval(_STORED, *who)
                if stored is None or not self._holds(stored, one):
                    sealed = self._seal.seal(one.secret.encode(), bound_to=_place(*who))
                    await driver.execute(_KEEP, *who, sealed)

    def _holds(self, stored: bytes, one: SigningKey) -> bool:
        place = _place(one.district_id, one.client_id, one.key)
        opened = self._seal.open(stored, bound_to=place)
        return opened == one.secret.encode() and self._seal.is_current(stored)


class PostgresNonces:
    """Each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend(self, grant: Grant, digest: bytes, *, until: datetime) -> bool:
        """Whether it is the first time, decided by the primary key."""
        async with self._database.begin() as tx:
            first = await (await tx.driver()).fetchval(
                _SPEND, grant.district_id, grant.client_id, digest, until
            )
        return first is True


def _place(district_id: str, client_id: str, key: str) -> str:
    return repr(("oauth1", district_id, client_id, key))
