"""Full readings of targets in PostgreSQL: tables target and account. Raw driver."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from directory_sync.adapters.postgres.stored import dump, hash_of, load_actual
from directory_sync.domain.drift import Drifted, Known, Reading
from directory_sync.domain.ids import DistrictId, PersonId, TargetId

_ASK = """
    UPDATE directory_sync.target SET read_asked_at = $3
    WHERE district_id = $1 AND target_id = $2
"""
_BEGIN = """
    UPDATE directory_sync.target SET read_started_at = $3, read_asked_at = NULL
    WHERE district_id = $1 AND target_id = $2 AND live_at IS NOT NULL
      AND (read_asked_at IS NOT NULL OR last_read_at < $4 OR read_started_at < $5)
      AND (read_started_at IS NULL OR read_started_at < $5)
    RETURNING 1
"""
_GIVE_BACK = """
    UPDATE directory_sync.target SET read_started_at = NULL, read_asked_at = $3
    WHERE district_id = $1 AND target_id = $2
"""
_END = """
    UPDATE directory_sync.target
    SET read_started_at = NULL, last_read_at = $4, last_read_outcome = $3
    WHERE district_id = $1 AND target_id = $2
"""
# What changed since $4, or is under a lease, is busy.
_COLUMNS = """
    a.person_id, a.account_id, a.observed::text AS observed,
    a.changed_at >= $4 OR EXISTS (SELECT 1 FROM directory_sync.dirty d
        WHERE d.district_id = $1 AND d.target_id = $2 AND d.person_id = a.person_id
          AND d.lease_token IS NOT NULL) AS busy
"""
# Rows: a page of the target's list, index account_anchor.
_KNOWN = f"""
    SELECT {_COLUMNS} FROM directory_sync.account a
    WHERE a.district_id = $1 AND a.target_id = $2 AND a.account_id = ANY($3::text[])
"""
# Rows: <= $5 after $3 in the order of persons, by primary key.
_ALL_KNOWN = f"""
    SELECT {_COLUMNS} FROM directory_sync.account a
    WHERE a.district_id = $1 AND a.target_id = $2 AND a.person_id > $3
      AND a.account_id IS NOT NULL
    ORDER BY a.person_id LIMIT $5
"""
# Rows: accounts that drifted, by primary key.
_CORRECT = """
    UPDATE directory_sync.account a
    SET account_id = r.account_id, state = r.state, observed = r.observed::jsonb,
        actual_hash = r.actual_hash, confirmed_at = $10, changed_at = $10, correlation_id = $9
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
        AS r(person_id, account_id, state, observed, actual_hash)
    WHERE a.district_id = $1 AND a.target_id = $2 AND a.person_id = ANY($3::text[])
      AND a.person_id = r.person_id AND a.account_id IS NOT NULL AND a.changed_at < $8
      AND NOT EXISTS (SELECT 1 FROM directory_sync.dirty d
        WHERE d.district_id = $1 AND d.target_id = $2 AND d.person_id = a.person_id
          AND d.lease_token IS NOT NULL)
    RETURNING a.person_id
"""


class PostgresReadings:
    """Full readings, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def ask(self, district_id: DistrictId, target_id: TargetId, *, now: datetime) -> None:
        """Somebody wants it read now."""
        await self._driver.execute(_ASK, district_id, target_id, now)

    async def begin(
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
            _BEGIN, district_id, target_id, now, last_before, abandoned_before
        )
        return taken is not None

    async def give_back(
        self, district_id: DistrictId, target_id: TargetId, *, now: datetime
    ) -> None:
        """It could not be read; it is due still."""
        await self._driver.execute(_GIVE_BACK, district_id, target_id, now)

    async def end(
        self, district_id: DistrictId, target_id: TargetId, *, outcome: str, now: datetime
    ) -> None:
        """It was read; note what became of it."""
        await self._driver.execute(_END, district_id, target_id, outcome, now)

    async def known(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        account_ids: Sequence[str],
        *,
        began_at: datetime,
    ) -> Mapping[str, Known]:
        """Which of these accounts are ours."""
        rows = await self._driver.fetch(_KNOWN, district_id, target_id, list(account_ids), began_at)
        return {row["account_id"]: _known(row) for row in rows}

    async def all_known(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        after: PersonId,
        limit: int,
        began_at: datetime,
    ) -> Sequence[Known]:
        """A page of all accounts of ours, by person; "" is the start."""
        rows = await self._driver.fetch(_ALL_KNOWN, district_id, target_id, after, began_at, limit)
        return [_known(row) for row in rows]

    async def correct(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        drifted: Sequence[Drifted],
        reading: Reading,
        *,
        now: datetime,
    ) -> frozenset[PersonId]:
        """Take over what was seen, except for accounts that we touched since; returns whose."""
        seen = [one.seen for one in drifted]
        observed = [None if one is None else dump(one) for one in seen]
        rows = await self._driver.fetch(
            _CORRECT,
            district_id,
            target_id,
            [one.known.person_id for one in drifted],
            [None if one is None else one.account_id for one in seen],
            ["reserved" if one is None else one.state for one in seen],
            observed,
            [None if text is None else hash_of(text) for text in observed],
            reading.began_at,
            reading.reading_id,
            now,
        )
        return frozenset(PersonId(row["person_id"]) for row in rows)


def _known(row: asyncpg.Record) -> Known:
    return Known(
        person_id=PersonId(row["person_id"]),
        actual=load_actual(row["observed"]),
        busy=row["busy"],
    )
