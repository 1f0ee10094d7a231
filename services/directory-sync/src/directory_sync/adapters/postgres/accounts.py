"""Accounts, the ledger of names and first reads in PostgreSQL. Raw driver, written as sets."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
import orjson

from directory_sync.adapters.postgres.stored import dump, hash_of
from directory_sync.domain.account import ActualAccount, Names, NameSource
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.names import Taken, key_of, stem_of
from directory_sync.domain.work import AccountWrite

# Rows: one claimed batch, by primary key. confirmed_at moves only when the target confirmed.
_WRITE = """
    INSERT INTO directory_sync.account AS a
        (district_id, target_id, person_id, account_id, username, email, username_source, state,
         asked_at, observed, actual_hash, confirmed_at, correlation_id, changed_at,
         last_error_code, last_error_at, unheeded, named_at)
    SELECT $1, $2, r.person_id, r.account_id, r.username, r.email, r.source, r.state,
           r.asked_at, r.observed::jsonb, r.actual_hash,
           CASE WHEN r.account_id IS NOT NULL THEN $14::timestamptz END, r.correlation_id, $14,
           r.error, CASE WHEN r.error IS NOT NULL THEN $14::timestamptz END,
           r.unheeded::jsonb, CASE WHEN r.named THEN $14::timestamptz END
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::timestamptz[], $10::text[], $11::bytea[], $12::text[], $13::text[],
                $15::text[], $17::boolean[])
        AS r(person_id, account_id, username, email, source, state,
             asked_at, observed, actual_hash, correlation_id, error, unheeded, named)
    ORDER BY r.person_id
    ON CONFLICT (district_id, target_id, person_id) DO UPDATE SET
        account_id = excluded.account_id, username = excluded.username, email = excluded.email,
        username_source = excluded.username_source, state = excluded.state,
        asked_at = excluded.asked_at, observed = excluded.observed,
        actual_hash = excluded.actual_hash,
        confirmed_at = CASE WHEN excluded.last_error_code IS NULL AND excluded.asked_at IS NULL
            THEN excluded.confirmed_at ELSE a.confirmed_at END,
        correlation_id = excluded.correlation_id, changed_at = excluded.changed_at,
        last_error_code = excluded.last_error_code, last_error_at = excluded.last_error_at,
        unheeded = CASE WHEN a.person_id = ANY($16::text[]) THEN excluded.unheeded
            ELSE a.unheeded END,
        named_at = CASE WHEN excluded.username IS NOT NULL
            THEN coalesce(a.named_at, excluded.named_at) END
"""
# Rows: the names around a batch's candidates; indexes name_pkey and name_stem.
_TAKEN = """
    SELECT kind, name_key, person_id FROM directory_sync.name
    WHERE district_id = $1 AND target_id = $2 AND (
        (kind IN ('username', 'email') AND name_key = ANY($3::text[])) OR stem = ANY($4::text[]))
"""
# Rows: owners of usernames that the roster gives to others, by primary key.
_BEARERS = """
    SELECT person_id, state, username, observed ->> 'username' AS shown
    FROM directory_sync.account
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[])
"""
_HOLD = """
    INSERT INTO directory_sync.name AS n
        (district_id, target_id, kind, name_key, stem, person_id, held_since)
    SELECT DISTINCT ON (r.kind, r.name_key) $1, $2, r.kind, r.name_key, r.stem, r.person_id, $7
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
        AS r(kind, name_key, stem, person_id)
    ORDER BY r.kind, r.name_key, r.person_id NULLS LAST
    ON CONFLICT (district_id, target_id, kind, name_key) DO UPDATE SET
        person_id = excluded.person_id, held_since = excluded.held_since
    WHERE n.person_id IS NULL
"""
# Rows: usernames that their owners let go, by primary key.
_GIVE_AWAY = """
    UPDATE directory_sync.name n SET person_id = r.person_id, held_since = $5
    FROM unnest($3::text[], $4::text[]) AS r(name_key, person_id)
    WHERE n.district_id = $1 AND n.target_id = $2 AND n.kind = 'username'
      AND n.name_key = ANY($3::text[]) AND n.name_key = r.name_key
"""
_DISOWN = """
    UPDATE directory_sync.name SET person_id = NULL
    WHERE district_id = $1 AND target_id = $2 AND kind = 'username' AND name_key = $3
"""
_FOUND = """
    INSERT INTO directory_sync.found_account
        (district_id, target_id, account_id, external_id, username_key, observed, found_at)
    SELECT $1, $2, r.account_id, r.external_id, r.username_key, r.observed::jsonb, $7
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
        AS r(account_id, external_id, username_key, observed)
    ON CONFLICT (district_id, target_id, account_id) DO UPDATE SET
        external_id = excluded.external_id, username_key = excluded.username_key,
        observed = excluded.observed, found_at = excluded.found_at
"""
# Rows: what the reading before saw and this one did not.
_FORGET_FOUND = """
    DELETE FROM directory_sync.found_account
    WHERE district_id = $1 AND target_id = $2 AND found_at < $3
"""
_FORGET_NAMES = """
    DELETE FROM directory_sync.name
    WHERE district_id = $1 AND target_id = $2 AND person_id IS NULL AND held_since < $3
"""
# Rows: accounts of the first reading in live targets that work nothing off any more.
_BARE_FOUND = """
    UPDATE directory_sync.found_account f SET observed = NULL
    FROM directory_sync.target t
    WHERE t.district_id = $1 AND t.live_at IS NOT NULL AND f.district_id = $1
      AND f.target_id = t.target_id AND f.observed IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM directory_sync.dirty d WHERE d.district_id = $1
        AND d.target_id = t.target_id AND d.last_error_code IS NULL)
"""
# Rows: all names of erased persons, index name_person.
_FORGET_PEOPLE = """
    DELETE FROM directory_sync.name
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[])
"""
_DROP_FOUND = """
    DELETE FROM directory_sync.found_account
    WHERE district_id = $1 AND target_id = $2 AND account_id = ANY($3::text[])
"""


class PostgresAccounts:
    """Records, names and found accounts, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def write(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        writes: Sequence[AccountWrite],
        *,
        now: datetime,
    ) -> None:
        """Store records as given, one per person; erased ones leave the ledger of names."""
        observed = [None if w.actual is None else dump(w.actual) for w in writes]
        await self._driver.execute(
            _WRITE,
            district_id,
            target_id,
            [w.person_id for w in writes],
            [None if w.actual is None else w.actual.account_id for w in writes],
            [None if w.names is None else w.names.username for w in writes],
            [None if w.names is None else w.names.email for w in writes],
            [None if w.names is None else w.names.source.value for w in writes],
            ["reserved" if w.actual is None else w.actual.state for w in writes],
            [w.asked_at for w in writes],
            observed,
            [None if text is None else hash_of(text) for text in observed],
            [w.cause.correlation_id for w in writes],
            [w.error_code for w in writes],
            now,
            [orjson.dumps(dict(w.unheeded or {})).decode() for w in writes],
            [w.person_id for w in writes if w.unheeded is not None],
            [w.named for w in writes],
        )
        erased = [w.person_id for w in writes if w.erased]
        if erased:
            await self._driver.execute(_FORGET_PEOPLE, district_id, target_id, erased)

    async def taken(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        keys: Sequence[str],
        stems: Sequence[str],
    ) -> Taken:
        """Names with one of these keys or stems; of `keys`, which no person uses any more."""
        rows = await self._driver.fetch(_TAKEN, district_id, target_id, list(keys), list(stems))
        owners: dict[str, dict[str, PersonId | None]] = {"username": {}, "email": {}}
        for row in rows:
            owners[row["kind"]][row["name_key"]] = row["person_id"]
        usernames = owners["username"]
        held = {key: usernames[key] for key in keys if key in usernames}
        owners_of = [owner for owner in held.values() if owner is not None]
        bearers = await self._driver.fetch(_BEARERS, district_id, target_id, owners_of)
        borne = {row["person_id"]: _borne(row) for row in bearers} | {None: frozenset()}
        return Taken(
            usernames=usernames,
            emails=owners["email"],
            let_go=frozenset(k for k, owner in held.items() if k not in borne.get(owner, {k})),
        )

    async def hold_names(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        names: Sequence[tuple[PersonId | None, Names]],
        *,
        now: datetime,
    ) -> None:
        """Enter names in the ledger; an owner, once there, is not replaced."""
        entries = [("username", n.username, owner) for owner, n in names]
        entries += [("email", n.email, owner) for owner, n in names if n.email is not None]
        await self._driver.execute(
            _HOLD,
            district_id,
            target_id,
            [kind for kind, _, _ in entries],
            [key_of(name) for _, name, _ in entries],
            [stem_of(name) for _, name, _ in entries],
            [owner for _, _, owner in entries],
            now,
        )

    async def pass_on_usernames(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        usernames: Mapping[str, PersonId],
        *,
        now: datetime,
    ) -> None:
        """These keys have these owners from now on, whoever let them go."""
        await self._driver.execute(
            _GIVE_AWAY, district_id, target_id, list(usernames), list(usernames.values()), now
        )

    async def disown_username(
        self, district_id: DistrictId, target_id: TargetId, username: str
    ) -> None:
        """Note that an account which is not ours holds this username."""
        await self._driver.execute(_DISOWN, district_id, target_id, key_of(username))

    async def keep_found(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        found: Sequence[ActualAccount],
        *,
        now: datetime,
    ) -> None:
        """Keep accounts of the first read, and their names as taken."""
        await self._driver.execute(
            _FOUND,
            district_id,
            target_id,
            [a.account_id for a in found],
            [a.external_id for a in found],
            [key_of(a.username) for a in found],
            [dump(a) for a in found],
            now,
        )
        names = [
            (None, Names(username=a.username, email=a.email, source=NameSource.FOUND))
            for a in found
        ]
        await self.hold_names(district_id, target_id, names, now=now)

    async def forget_found(
        self, district_id: DistrictId, target_id: TargetId, *, before: datetime
    ) -> None:
        """Forget accounts, and names that are no person's, which were last seen before then."""
        await self._driver.execute(_FORGET_FOUND, district_id, target_id, before)
        await self._driver.execute(_FORGET_NAMES, district_id, target_id, before)

    async def bare_found(self, district_id: DistrictId) -> None:
        """Keep keys alone of accounts found in targets that work nothing off any more."""
        await self._driver.execute(_BARE_FOUND, district_id)

    async def drop_found(
        self, district_id: DistrictId, target_id: TargetId, account_ids: Sequence[str]
    ) -> None:
        """Forget found accounts that are linked now."""
        await self._driver.execute(_DROP_FOUND, district_id, target_id, list(account_ids))


def _borne(row: asyncpg.Record) -> frozenset[str]:
    """The username keys that an account bears: none once it is off, two while it is renamed."""
    if row["state"] == "disabled":
        return frozenset()
    return frozenset(key_of(name) for name in (row["username"], row["shown"]) if name)
