"""`Vendors` on PostgreSQL: clients, grants and tokens. Secrets and tokens only as hashes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from roster_common.runtime.database import Database
from roster_publisher.adapters.postgres.history import advance
from roster_publisher.domain.access import AccessToken, Client, Grant, OldSecret
from roster_publisher.domain.pacing import Pace
from roster_publisher.domain.publication import next_stamp
from roster_publisher.domain.rules import Rule
from roster_publisher.domain.transforms import read_transforms

# A client id is unique over the installation: it is how the district is found. One row.
_GRANT: Final = """
    g.token_scopes, g.school_ids, g.rules, g.agreement, g.purpose, g.field_policy,
    g.expires_at AS grant_expires_at, g.since_stamp, g.rate, g.burst
"""
CLIENT_COLUMNS: Final = f"""
    c.district_id, c.client_id, c.secret_hash, c.old_secrets, c.configured, c.created_at, {_GRANT}
"""
_CLIENT: Final = f"""
    SELECT {CLIENT_COLUMNS}
    FROM roster_publisher.client c
    JOIN roster_publisher.grant_ g USING (district_id, client_id)
    WHERE c.client_id = $1
"""

# One row, as it stands after whoever is changing it.
_SECRETS: Final = """
    SELECT secret_hash, old_secrets FROM roster_publisher.client
    WHERE district_id = $1 AND client_id = $2 FOR SHARE
"""

_KEEP_ACCESS: Final = """
    INSERT INTO roster_publisher.access_token
        (district_id, token_hash, client_id, token_scopes, expires_at)
    VALUES ($1, $2, $3, $4, $5)
"""

# A token is 256 random bits, so its hash alone finds it and its district. One row; unique index.
_ACCESS: Final = f"""
    SELECT t.district_id, t.client_id, t.token_scopes AS carried, t.expires_at, {_GRANT}
    FROM roster_publisher.access_token t
    JOIN roster_publisher.grant_ g USING (district_id, client_id)
    WHERE t.token_hash = $1 AND t.expires_at > $2
"""

_SEED_CLIENT: Final = """
    INSERT INTO roster_publisher.client
        (district_id, client_id, secret_hash, created_at, configured)
    VALUES ($1, $2, $3, $4, true)
    ON CONFLICT (district_id, client_id) DO UPDATE SET
        secret_hash = excluded.secret_hash
        WHERE client.configured
    RETURNING client_id
"""

# Purpose: end what settings no longer name; grants and tokens go with their client.
# Rows: the vendors of the installation, some dozens, once at each start. Index: none is needed.
_END_OTHERS: Final = """
    DELETE FROM roster_publisher.client c
    WHERE c.configured AND NOT EXISTS (
        SELECT FROM unnest($1::text[], $2::text[]) AS kept (district_id, client_id)
        WHERE kept.district_id = c.district_id AND kept.client_id = c.client_id
    )
    RETURNING c.client_id
"""

# One row of one table, so changes of vendors stand in line.
# house: no-district — every process looks anew, whatever the district
TELL_OTHERS: Final = "UPDATE roster_publisher.access_version SET version = version + 1"
# house: no-district — every process looks anew, whatever the district
_VERSION: Final = "SELECT version FROM roster_publisher.access_version"

_SEED_GRANT: Final = """
    INSERT INTO roster_publisher.grant_
        (district_id, client_id, token_scopes, school_ids, field_policy, agreement, expires_at,
         rules, since_stamp, purpose, rate, burst)
    VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8::jsonb, $9, $10, $11, $12)
    ON CONFLICT (district_id, client_id) DO UPDATE SET
        token_scopes = excluded.token_scopes, school_ids = excluded.school_ids,
        field_policy = excluded.field_policy, agreement = excluded.agreement,
        expires_at = excluded.expires_at, rules = excluded.rules,
        since_stamp = excluded.since_stamp, rate = excluded.rate, burst = excluded.burst,
        purpose = excluded.purpose
"""

# Grants that hash, with another key. Some dozens of grants, at a start; no index is needed.
# house: no-district — the key is the installation's
_OTHERWISE_KEYED: Final = """
    SELECT district_id, client_id FROM roster_publisher.grant_
    WHERE field_policy ->> 'hashKey' <> $1 ORDER BY district_id, client_id
"""
_REKEY: Final = """
    UPDATE roster_publisher.grant_
    SET field_policy = field_policy || jsonb_build_object('hashKey', $3::text), since_stamp = $4
    WHERE district_id = $1 AND client_id = $2
"""

# One row, locked until the transaction ends; at first use it is made.
_LOCK_DISTRICT: Final = """
    INSERT INTO roster_publisher.district_revision AS d (district_id) VALUES ($1)
    ON CONFLICT (district_id) DO UPDATE SET revision = d.revision
    RETURNING revision, stamp
"""


class PostgresVendors:
    """Each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def client(self, client_id: str) -> Client | None:
        """The client with its grant."""
        async with self._database.begin() as tx:
            row = await (await tx.driver()).fetchrow(_CLIENT, client_id)
        if row is None:
            return None
        return client_of(row)

    async def keep_token(
        self, token: AccessToken, token_hash: bytes, *, secret_hash: str, now: datetime
    ) -> datetime | None:
        """Store a token for as long as its secret counts; the client's row is held meanwhile."""
        district_id, client_id = token.grant.district_id, token.grant.client_id
        async with self._database.begin() as tx:
            driver: asyncpg.Connection = await tx.driver()
            row = await driver.fetchrow(_SECRETS, district_id, client_id)
            ends = _ends(row, secret_hash, token.expires_at)
            if ends is None or ends <= now:
                return None
            await driver.execute(
                _KEEP_ACCESS, district_id, token_hash, client_id, sorted(token.token_scopes), ends
            )
        return ends

    async def token(self, token_hash: bytes, *, now: datetime) -> AccessToken | None:
        """The live token with its grant as it stands now."""
        async with self._database.begin() as tx:
            row = await (await tx.driver()).fetchrow(_ACCESS, token_hash, now)
        if row is None:
            return None
        grant = grant_of(row)
        return AccessToken(
            grant=grant,
            token_scopes=grant.token_scopes.intersection(row["carried"]),
            expires_at=row["expires_at"],
        )

    async def seed(self, client: Client, *, now: datetime) -> bool:
        """Make the client exist as given, by settings; may run at every start. False for one that
        operators have made: it stays as it is.

        A grant that shows something else than before takes a revision and a stamp of the district.
        """
        grant = client.grant
        async with self._database.begin() as tx:
            driver: asyncpg.Connection = await tx.driver()
            mine = await driver.fetchrow(
                _SEED_CLIENT, grant.district_id, client.client_id, client.secret_hash, now
            )
            if mine is None:
                return False
            await write_grant(driver, grant, now=now)
            await driver.execute(TELL_OTHERS)
        return True

    async def rekey(self, hash_key_id: str, *, now: datetime) -> int:
        """Give grants that hash with another key a revision and a stamp of their district."""
        async with self._database.begin() as tx:
            driver: asyncpg.Connection = await tx.driver()
            found = await driver.fetch(_OTHERWISE_KEYED, hash_key_id)
            for district_id, client_id in found:
                stamp = await _changes(driver, district_id, now=now)
                await driver.execute(_REKEY, district_id, client_id, hash_key_id, stamp)
            if found:
                await driver.execute(TELL_OTHERS)
        return len(found)

    async def end_others(self, kept: Sequence[Grant]) -> Sequence[str]:
        """End every client that settings once gave, with grant and tokens, but for `kept`."""
        async with self._database.begin() as tx:
            ended = await (await tx.driver()).fetch(
                _END_OTHERS,
                [grant.district_id for grant in kept],
                [grant.client_id for grant in kept],
            )
            if ended:
                await (await tx.driver()).execute(TELL_OTHERS)
        return [row["client_id"] for row in ended]

    async def version(self) -> int:
        """Another number when what any vendor may do was changed."""
        async with self._database.begin() as tx:
            return int(await (await tx.driver()).fetchval(_VERSION))


async def write_grant(driver: asyncpg.Connection, grant: Grant, *, now: datetime) -> None:
    """Make the client's grant this one, in the transaction of `driver`.

    One that shows something else than before takes a revision and a stamp of the district.
    """
    since = await _since(driver, grant, now=now)
    pace = grant.pace
    await driver.execute(
        _SEED_GRANT,
        grant.district_id,
        grant.client_id,
        sorted(grant.token_scopes),
        None if grant.school_ids is None else list(grant.school_ids),
        orjson.dumps(policy_of(grant)).decode(),
        grant.agreement,
        grant.expires_at,
        orjson.dumps([rule.conditions() for rule in grant.rules]).decode(),
        since,
        grant.purpose,
        None if pace is None else pace.rate,
        None if pace is None else pace.burst,
    )


async def _since(driver: asyncpg.Connection, grant: Grant, *, now: datetime) -> datetime | None:
    """The stamp since which the grant shows what it shows; None for one that never changed.

    Given out as to a publication: later than whatever the vendor may have seen, and before
    whatever comes.
    """
    row = await driver.fetchrow(_CLIENT, grant.client_id)
    if row is None or row["district_id"] != grant.district_id:
        return None
    before = grant_of(row)
    if before.shows == grant.shows:
        return before.since_stamp
    return await _changes(driver, grant.district_id, now=now)


async def _changes(driver: asyncpg.Connection, district_id: str, *, now: datetime) -> datetime:
    """The stamp of a commit of the district that changes what somebody sees."""
    at = await driver.fetchrow(_LOCK_DISTRICT, district_id)
    assert at is not None  # noqa: S101 - an upsert with RETURNING gives its row
    stamp = next_stamp(now, at["stamp"])
    await advance(driver, district_id, revision=at["revision"] + 1, stamp=stamp)
    return stamp


def policy_of(grant: Grant) -> Mapping[str, object]:
    """The field policy as a grant's row holds it; what is not there changes nothing."""
    groups = None if grant.field_groups is None else sorted(grant.field_groups)
    told = {one.name: one.how for one in grant.transforms}
    policy = {"groups": groups, "transforms": told or None, "hashKey": grant.hash_key_id}
    return {name: value for name, value in policy.items() if value is not None}


def rules_of(stored: Sequence[Mapping[str, Sequence[str]]]) -> tuple[Rule, ...]:
    """The rules of a grant as its row holds them."""
    return tuple(
        Rule(**{name: tuple(values) for name, values in conditions.items()})
        for conditions in stored
    )


def _ends(row: asyncpg.Record | None, secret_hash: str, at: datetime) -> datetime | None:
    """When a token for the secret ends, that would end `at`; None where it is none of theirs."""
    if row is None:
        return None
    if row["secret_hash"] == secret_hash:
        return at
    old = (one for one in _old_secrets(row) if one.secret_hash == secret_hash)
    return next((min(at, one.until) for one in old), None)


def _old_secrets(row: asyncpg.Record) -> tuple[OldSecret, ...]:
    return tuple(
        OldSecret(secret_hash=one["hash"], until=datetime.fromisoformat(one["until"]))
        for one in row["old_secrets"]
    )


def client_of(row: asyncpg.Record) -> Client:
    """A client from its row and that of its grant."""
    return Client(
        client_id=row["client_id"],
        secret_hash=row["secret_hash"],
        grant=grant_of(row),
        old_secrets=_old_secrets(row),
        configured=row["configured"],
        created_at=row["created_at"],
    )


def grant_of(row: asyncpg.Record) -> Grant:
    """A grant from its row."""
    rate, burst = row["rate"], row["burst"]
    schools, policy = row["school_ids"], row["field_policy"]
    groups = policy.get("groups")
    return Grant(
        district_id=row["district_id"],
        client_id=row["client_id"],
        token_scopes=frozenset(row["token_scopes"]),
        school_ids=None if schools is None else tuple(schools),
        rules=rules_of(row["rules"]),
        field_groups=None if groups is None else frozenset(groups),
        transforms=read_transforms(policy.get("transforms", {})),
        hash_key_id=policy.get("hashKey"),
        agreement=row["agreement"],
        purpose=row["purpose"],
        expires_at=row["grant_expires_at"],
        since_stamp=row["since_stamp"],
        pace=None if rate is None else Pace(rate=rate, burst=burst),
    )
