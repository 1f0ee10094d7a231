"""Accounts, the ledger of names and first reads in PostgreSQL. Raw driver, written as sets."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from directory_sync.adapters.postgres.stored import dump, hash_of, record_of
from directory_sync.domain.account import ActualAccount, Names, NameSource
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.names import Taken, key_of, stem_of
from directory_sync.domain.work import AccountWrite, Known, TargetState

# Rows: one claimed batch, by primary key. confirmed_at moves only when the target confirmed.
_WRITE = """
    INSERT INTO directory_sync.account AS a
        (district_id, target_id, person_id, account_id, username, email, username_source, state,
         asked_at, observed, actual_hash, confirmed_at, correlation_id, changed_at,
         last_error_code, last_error_at)
    SELECT $1, $2, r.person_id, r.account_id, r.username, r.email, r.source, r.state,
           r.asked_at, r.observed::jsonb, r.actual_hash,
           CASE WHEN r.account_id IS NOT NULL THEN $14::timestamptz END, r.correlation_id, $14,
           r.error, CASE WHEN r.error IS NOT NULL THEN $14::timestamptz END
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::timestamptz[], $10::text[], $11::bytea[], $12::text[], $13::text[])
        AS r(person_id, account_id, username, email, source, state,
             asked_at, observed, actual_hash, correlation_id, error)
    ORDER BY r.person_id
    ON CONFLICT (district_id, target_id, person_id) DO UPDATE SET
        account_id = excluded.account_id, username = excluded.username, email = excluded.email,
        username_source = excluded.username_source, state = excluded.state,
        asked_at = excluded.asked_at, observed = excluded.observed,
        actual_hash = excluded.actual_hash,
        confirmed_at = CASE WHEN excluded.last_error_code IS NULL AND excluded.asked_at IS NULL
            THEN excluded.confirmed_at ELSE a.confirmed_at END,
        correlation_id = excluded.correlation_id, changed_at = excluded.changed_at,
        last_error_code = excluded.last_error_code, last_error_at = excluded.last_error_at
"""
_LOCK_NAMES = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
# Rows: the names around a batch's candidates; indexes name_pkey and name_stem.
_TAKEN = """
    SELECT kind, name_key, person_id FROM directory_sync.name
    WHERE district_id = $1 AND target_id = $2 AND (
        (kind IN ('username', 'email') AND name_key = ANY($3::text[])) OR stem = ANY($4::text[]))
"""
_HOLD = """
    INSERT INTO directory_sync.name AS n
        (district_id, target_id, kind, name_key, stem, person_id, held_since)
    SELECT DISTINCT ON (r.kind, r.name_key) $1, $2, r.kind, r.name_key, r.stem, r.person_id, $7
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
        AS r(kind, name_key, stem, person_id)
    ORDER BY r.kind, r.name_key, r.person_id NULLS LAST
    ON CONFLICT (district_id, target_id, kind, name_key) DO UPDATE SET
        person_id = excluded.person_id
    WHERE n.person_id IS NULL AND excluded.person_id IS NOT NULL
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
_DROP_FOUND = """
    DELETE FROM directory_sync.found_account
    WHERE district_id = $1 AND target_id = $2 AND account_id = ANY($3::text[])
"""
_TARGET_STATE = """
    SELECT first_read_at, live_at, last_read_at, last_read_outcome FROM directory_sync.target
    WHERE district_id = $1 AND target_id = $2
"""
_GO_LIVE = """
    UPDATE directory_sync.target SET live_at = $3, last_read_at = coalesce(last_read_at, $3)
    WHERE district_id = $1 AND target_id = $2 AND live_at IS NULL
"""
_READ_AFRESH = """
    DELETE FROM directory_sync.target
    WHERE district_id = $1 AND target_id = $2 AND live_at IS NULL
"""
_ASK_READ = """
    UPDATE directory_sync.target SET read_asked_at = $3
    WHERE district_id = $1 AND target_id = $2
"""
_BEGIN_READ = """
    UPDATE directory_sync.target SET read_started_at = $3, read_asked_at = NULL
    WHERE district_id = $1 AND target_id = $2 AND live_at IS NOT NULL
      AND (read_asked_at IS NOT NULL OR last_read_at < $4)
      AND (read_started_at IS NULL OR read_started_at < $5)
    RETURNING 1
"""
_END_READ = """
    UPDATE directory_sync.target
    SET read_started_at = NULL, last_read_at = $4, last_read_outcome = $3
    WHERE district_id = $1 AND target_id = $2
"""
# Rows: every account of the target; what a round works on now is left out.
_KNOWN = """
    SELECT a.person_id, true AS known, a.username, a.email, a.username_source, a.asked_at,
           a.observed::text AS observed
    FROM directory_sync.account a
    WHERE a.district_id = $1 AND a.target_id = $2 AND a.account_id IS NOT NULL
      AND a.changed_at < $3
      AND NOT EXISTS (SELECT 1 FROM directory_sync.dirty d
          WHERE d.district_id = $1 AND d.target_id = $2 AND d.person_id = a.person_id
            AND d.lease_token IS NOT NULL)
    ORDER BY a.person_id FOR UPDATE
"""
_COUNT_KNOWN = """
    SELECT count(*) FROM directory_sync.account
    WHERE district_id = $1 AND target_id = $2 AND account_id IS NOT NULL
"""
_NOTE_READ = """
    INSERT INTO directory_sync.target (district_id, target_id, first_read_at, first_read_accounts)
    VALUES ($1, $2, $4, $3) ON CONFLICT (district_id, target_id) DO NOTHING
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
        """Store records as given; one write per person."""
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
            [_state(w.actual) for w in writes],
            [w.asked_at for w in writes],
            observed,
            [None if text is None else hash_of(text) for text in observed],
            [w.cause.correlation_id for w in writes],
            [w.error_code for w in writes],
            now,
        )

    async def lock_names(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Keep other planners of this target out until the transaction ends."""
        await self._driver.execute(_LOCK_NAMES, f"directory_sync/{district_id}/{target_id}")

    async def taken(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        keys: Sequence[str],
        stems: Sequence[str],
    ) -> Taken:
        """Names with one of these keys or stems."""
        rows = await self._driver.fetch(_TAKEN, district_id, target_id, list(keys), list(stems))
        owners: dict[str, dict[str, PersonId | None]] = {"username": {}, "email": {}}
        for row in rows:
            owners[row["kind"]][row["name_key"]] = row["person_id"]
        return Taken(usernames=owners["username"], emails=owners["email"])

    async def hold_names(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        names: Sequence[tuple[PersonId | None, Names]],
        *,
        now: datetime,
    ) -> None:
        """Enter names in the ledger; an owner, once there, is never replaced."""
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

    async def drop_found(
        self, district_id: DistrictId, target_id: TargetId, account_ids: Sequence[str]
    ) -> None:
        """Forget found accounts that are linked now."""
        await self._driver.execute(_DROP_FOUND, district_id, target_id, list(account_ids))

    async def target_state(
        self, district_id: DistrictId, target_id: TargetId
    ) -> TargetState | None:
        """Where the target stands; None when it was never read whole."""
        row = await self._driver.fetchrow(_TARGET_STATE, district_id, target_id)
        if row is None:
            return None
        return TargetState(
            first_read_at=row["first_read_at"],
            live_at=row["live_at"],
            last_read_at=row["last_read_at"],
            read_outcome=row["last_read_outcome"],
        )

    async def note_first_read(
        self, district_id: DistrictId, target_id: TargetId, *, accounts: int, now: datetime
    ) -> None:
        """Remember that the whole target was read."""
        await self._driver.execute(_NOTE_READ, district_id, target_id, accounts, now)

    async def go_live(self, district_id: DistrictId, target_id: TargetId, *, now: datetime) -> None:
        """From now on rounds change the target."""
        await self._driver.execute(_GO_LIVE, district_id, target_id, now)

    async def read_afresh(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Forget the first read of a target that is not live, so that it is read again."""
        await self._driver.execute(_READ_AFRESH, district_id, target_id)

    async def ask_read(
        self, district_id: DistrictId, target_id: TargetId, *, now: datetime
    ) -> None:
        """Somebody wants the whole target read and compared now."""
        await self._driver.execute(_ASK_READ, district_id, target_id, now)

    async def begin_read(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        now: datetime,
        last_before: datetime,
        abandoned_before: datetime,
    ) -> bool:
        """Take the reading of a live target that is asked for or due; False when it is neither."""
        taken = await self._driver.fetchval(
            _BEGIN_READ, district_id, target_id, now, last_before, abandoned_before
        )
        return taken is not None

    async def end_read(
        self, district_id: DistrictId, target_id: TargetId, *, outcome: str, now: datetime
    ) -> None:
        """Note how the reading ended."""
        await self._driver.execute(_END_READ, district_id, target_id, outcome, now)

    async def known(
        self, district_id: DistrictId, target_id: TargetId, *, unchanged_since: datetime
    ) -> Sequence[Known]:
        """Accounts of ours that nothing of ours touches, or touched since then; locked."""
        rows = await self._driver.fetch(_KNOWN, district_id, target_id, unchanged_since)
        records = (record_of(row) for row in rows)
        return [
            Known(person_id=r.person_id, names=r.names, actual=r.actual)
            for r in records
            if r is not None and r.actual is not None
        ]

    async def count_known(self, district_id: DistrictId, target_id: TargetId) -> int:
        """How many accounts of the target are ours."""
        return int(await self._driver.fetchval(_COUNT_KNOWN, district_id, target_id))


def _state(actual: ActualAccount | None) -> str:
    if actual is None:
        return "reserved"
    return "enabled" if actual.enabled else "disabled"
