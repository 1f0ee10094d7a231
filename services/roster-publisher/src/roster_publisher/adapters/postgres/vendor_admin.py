"""`VendorAdmin` on PostgreSQL: one row of a client is locked, looked at, changed and audited."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from roster_common.runtime.database import Database
from roster_publisher.adapters.postgres.audit import write_entry
from roster_publisher.adapters.postgres.queue import rows_in
from roster_publisher.adapters.postgres.vendors import (
    CLIENT_COLUMNS,
    TELL_OTHERS,
    client_of,
    write_grant,
)
from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.administration import (
    CONFIGURED,
    MOVED_ON,
    TAKEN,
    UNKNOWN,
    NotDone,
    replaced_secrets,
    version_of,
)
from roster_publisher.domain.audit import AuditEntry

# Vendors of a district, some dozens; primary keys.
_ALL: Final = f"""
    SELECT {CLIENT_COLUMNS}
    FROM roster_publisher.client c JOIN roster_publisher.grant_ g USING (district_id, client_id)
    WHERE c.district_id = $1 ORDER BY c.client_id
"""
_ONE: Final = f"""
    SELECT {CLIENT_COLUMNS}
    FROM roster_publisher.client c JOIN roster_publisher.grant_ g USING (district_id, client_id)
    WHERE c.district_id = $1 AND c.client_id = $2
"""
# Who asks for a token meanwhile waits, and then sees what has become of it. A statement of its own:
# what is read beside a row that was waited for is as old as the wait.
_LOCK: Final = """
    SELECT client_id FROM roster_publisher.client
    WHERE district_id = $1 AND client_id = $2 FOR UPDATE
"""

# The id is unique over the installation, so this may meet another district's.
# house: no-district — that is why
_TAKEN: Final = "SELECT EXISTS (SELECT FROM roster_publisher.client WHERE client_id = $1)"
_CREATE: Final = """
    INSERT INTO roster_publisher.client (district_id, client_id, secret_hash, created_at)
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING client_id
"""
_SECRETS: Final = """
    UPDATE roster_publisher.client SET secret_hash = $3, old_secrets = $4::jsonb
    WHERE district_id = $1 AND client_id = $2
"""
# All of one client's tokens were given for secrets that are old now. Some rows.
_CUT_SHORT: Final = """
    UPDATE roster_publisher.access_token SET expires_at = $3
    WHERE district_id = $1 AND client_id = $2 AND expires_at > $3
"""
_TOKENS: Final = """
    SELECT count(*) FROM roster_publisher.access_token
    WHERE district_id = $1 AND client_id = $2 AND expires_at > $3
"""
_REVOKE: Final = "DELETE FROM roster_publisher.client WHERE district_id = $1 AND client_id = $2"


class PostgresVendorAdmin:
    """Each change is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, district_id: str) -> Sequence[Client]:
        """By client id."""
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(_ALL, district_id)
        return [client_of(row) for row in rows]

    async def find(self, district_id: str, client_id: str) -> Client | None:
        """One, or None."""
        async with self._database.begin() as tx:
            row = await (await tx.driver()).fetchrow(_ONE, district_id, client_id)
        return None if row is None else client_of(row)

    async def is_taken(self, client_id: str) -> bool:
        """Whether the id is in use."""
        async with self._database.begin() as tx:
            return bool(await (await tx.driver()).fetchval(_TAKEN, client_id))

    async def create(self, client: Client, entry: AuditEntry) -> NotDone | None:
        """Make it."""
        grant = client.grant
        async with self._database.begin() as tx:
            driver: asyncpg.Connection = await tx.driver()
            made = await driver.fetchrow(
                _CREATE, grant.district_id, client.client_id, client.secret_hash, entry.at
            )
            if made is None:
                return TAKEN
            await write_grant(driver, grant, now=entry.at)
            await _close(driver, entry)
        return None

    async def rotate(
        self,
        grant: Grant,
        secret_hash: str,
        *,
        old_until: datetime,
        version: str | None,
        entry: AuditEntry,
    ) -> NotDone | int:
        """Put a secret in place; those before it end `old_until` at the latest."""
        key = grant.district_id, grant.client_id
        async with self._database.begin() as tx:
            driver: asyncpg.Connection = await tx.driver()
            there = await _locked(driver, *key, version=version)
            if isinstance(there, NotDone):
                return there
            old = replaced_secrets(there, old_until=old_until, now=entry.at)
            if isinstance(old, NotDone):
                return old
            kept = [{"hash": one.secret_hash, "until": one.until.isoformat()} for one in old]
            await driver.execute(_SECRETS, *key, secret_hash, orjson.dumps(kept).decode())
            cut = rows_in(await driver.execute(_CUT_SHORT, *key, old_until))
            await _close(driver, entry)
        return cut

    async def change(self, grant: Grant, *, version: str, entry: AuditEntry) -> NotDone | None:
        """Write the grant."""
        async with self._database.begin() as tx:
            driver: asyncpg.Connection = await tx.driver()
            there = await _locked(driver, grant.district_id, grant.client_id, version=version)
            if isinstance(there, NotDone):
                return there
            await write_grant(driver, grant, now=entry.at)
            await _close(driver, entry)
        return None

    async def revoke(
        self, district_id: str, client_id: str, *, version: str | None, entry: AuditEntry
    ) -> NotDone | int:
        """End it; grant and tokens go with it."""
        async with self._database.begin() as tx:
            driver: asyncpg.Connection = await tx.driver()
            there = await _locked(driver, district_id, client_id, version=version)
            if isinstance(there, NotDone):
                return there
            tokens = int(await driver.fetchval(_TOKENS, district_id, client_id, entry.at))
            await driver.execute(_REVOKE, district_id, client_id)
            await _close(driver, entry)
        return tokens

    async def tokens(self, district_id: str, client_id: str, *, now: datetime) -> int:
        """Tokens in force."""
        async with self._database.begin() as tx:
            return int(await (await tx.driver()).fetchval(_TOKENS, district_id, client_id, now))


async def _locked(
    driver: asyncpg.Connection, district_id: str, client_id: str, *, version: str | None
) -> Client | NotDone:
    """The client, held until the transaction ends, if it still is at `version`; None is any."""
    await driver.fetchrow(_LOCK, district_id, client_id)
    row = await driver.fetchrow(_ONE, district_id, client_id)
    if row is None:
        return UNKNOWN
    client = client_of(row)
    if client.configured:
        return CONFIGURED
    return client if version in {None, version_of(client)} else MOVED_ON


async def _close(driver: asyncpg.Connection, entry: AuditEntry) -> None:
    """What every change ends with: who made it, and that others look anew."""
    await write_entry(driver, entry)
    await driver.execute(TELL_OTHERS)
