"""Marks in PostgreSQL: table dirty, a queue with leases and generations. Raw driver."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from directory_sync.adapters.postgres.stored import load_actual, load_person, record_of
from directory_sync.domain.account import ActualAccount
from directory_sync.domain.fact import Cause
from directory_sync.domain.guard import CREATE, DISABLE, uncounted_origins
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.names import key_of
from directory_sync.domain.person import Person
from directory_sync.domain.work import Claimed, LookAt, Retry

_BULK_ORIGINS = frozenset({"firstload", "republish", "snapshot"})

# Rows: changed persons x targets of the district. A mark that stands is due again at once; its
# lease is left alone, the higher generation keeps it from being finished by who holds it now.
_SET = """
    INSERT INTO directory_sync.dirty AS d
        (district_id, target_id, person_id, lane, correlation_id, causation_id, origin,
         since, next_attempt_at)
    SELECT $1, t.target_id, r.person_id, r.lane, r.correlation_id, r.causation_id, r.origin, $8, $8
    FROM unnest($3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[])
        AS r(person_id, lane, correlation_id, causation_id, origin),
        unnest($2::text[]) AS t(target_id)
    ORDER BY t.target_id, r.person_id
    ON CONFLICT (district_id, target_id, person_id) DO UPDATE SET
        lane = least(d.lane, excluded.lane), correlation_id = excluded.correlation_id,
        causation_id = excluded.causation_id,
        origin = CASE WHEN excluded.lane <= d.lane THEN excluded.origin ELSE d.origin END,
        generation = d.generation + 1, attempts = 0, next_attempt_at = excluded.next_attempt_at
"""
# Rows: a whole district, once per new target.
_SET_EVERYONE = """
    INSERT INTO directory_sync.dirty
        (district_id, target_id, person_id, lane, correlation_id, causation_id, origin,
         since, next_attempt_at)
    SELECT district_id, $2, person_id, 1, correlation_id, causation_id, 'republish', $3, $3
    FROM directory_sync.person WHERE district_id = $1 AND NOT deleted
    ON CONFLICT (district_id, target_id, person_id) DO NOTHING
"""
# Rows: <= $3, index dirty_due. The lower lane alone while it has anything due.
_CLAIM = """
    WITH free AS (
        SELECT person_id, lane, next_attempt_at FROM directory_sync.dirty
        WHERE district_id = $1 AND target_id = $2 AND next_attempt_at <= $5
          AND (lease_until IS NULL OR lease_until < $5)
        ORDER BY lane, next_attempt_at LIMIT $3
        FOR UPDATE SKIP LOCKED
    ), due AS (SELECT person_id FROM free WHERE lane = (SELECT min(lane) FROM free))
    UPDATE directory_sync.dirty d
    SET lease_token = $4, lease_until = $6, attempts = d.attempts + 1
    FROM due
    WHERE d.district_id = $1 AND d.target_id = $2 AND d.person_id = due.person_id
    RETURNING d.person_id, d.correlation_id, d.causation_id, d.origin, d.attempts, d.generation
"""
# Rows: one per claimed person, by primary keys.
_FACTS = """
    SELECT w.person_id, p.state::text AS state, a.person_id IS NOT NULL AS known,
           a.username, a.email, a.username_source, a.asked_at, a.observed::text AS observed
    FROM unnest($3::text[]) AS w(person_id)
    LEFT JOIN directory_sync.person p ON p.district_id = $1 AND p.person_id = w.person_id
    LEFT JOIN directory_sync.account a
        ON a.district_id = $1 AND a.target_id = $2 AND a.person_id = w.person_id
"""
# Rows: accounts of the first read that carry the id or the username; two index look-ups each.
_CANDIDATES = """
    SELECT w.person_id, f.observed::text AS observed
    FROM unnest($3::text[], $4::text[]) AS w(person_id, username_key)
    JOIN directory_sync.found_account f ON f.district_id = $1 AND f.target_id = $2
        AND (f.external_id = w.person_id OR f.username_key = w.username_key)
"""
# Rows: persons without a mark, by primary key.
_ADD = """
    INSERT INTO directory_sync.dirty
        (district_id, target_id, person_id, lane, correlation_id, causation_id, origin,
         since, next_attempt_at)
    SELECT $1, $2, r.person_id, 1, r.correlation_id, NULL, r.origin, $6, $6
    FROM unnest($3::text[], $4::text[], $5::text[]) AS r(person_id, correlation_id, origin)
    ORDER BY r.person_id
    ON CONFLICT (district_id, target_id, person_id) DO NOTHING
"""
_WAKE = """
    UPDATE directory_sync.dirty SET next_attempt_at = $4
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[])
      AND next_attempt_at > $4
"""
_DROP = """
    DELETE FROM directory_sync.dirty
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[])
      AND lease_token IS NULL AND last_error_code = 'held' AND attempts > 0
"""
# Rows: <= $4 after $3 in the order of persons, from one of the sets below.
_PAGE = """
    SELECT w.person_id, w.correlation_id, w.causation_id, w.origin,
           0 AS attempts, 0::bigint AS generation
    FROM {rows} AND w.person_id > $3 ORDER BY w.person_id LIMIT $4
"""
_NOT_HELD = """
    NOT EXISTS (SELECT 1 FROM directory_sync.plan_item i
        WHERE i.district_id = $1 AND i.target_id = $2 AND i.person_id = w.person_id
          AND i.group_id = '' AND i.action = '{action}'
          AND i.state IN ('waiting', 'released', 'refused', 'lapsed'))
    AND NOT EXISTS (SELECT 1 FROM directory_sync.spent s
        WHERE s.district_id = $1 AND s.target_id = $2 AND s.action = '{action}'
          AND s.person_id = w.person_id AND s.group_id = '' AND s.at > $5)
"""
_MARKED = "directory_sync.dirty w WHERE w.district_id = $1 AND w.target_id = $2"
# A disable is possible only where an account is enabled, a create only where there is none; which
# of them are wanted is for the domain to say.
_SETS: Mapping[LookAt, str] = {
    LookAt.EVERYONE: "directory_sync.person w WHERE w.district_id = $1 AND $2::text IS NOT NULL",
    LookAt.MARKED: _MARKED,
    LookAt.MAY_DISABLE: f"""
        {_MARKED} AND EXISTS (SELECT 1 FROM directory_sync.account a
            WHERE a.district_id = $1 AND a.target_id = $2 AND a.person_id = w.person_id
              AND a.state = 'enabled')
        AND {_NOT_HELD.format(action=DISABLE)}
    """,
    LookAt.MAY_CREATE: f"""
        {_MARKED} AND w.origin <> ALL($6::text[])
        AND NOT EXISTS (SELECT 1 FROM directory_sync.account a
            WHERE a.district_id = $1 AND a.target_id = $2 AND a.person_id = w.person_id
              AND (a.state <> 'reserved' OR a.asked_at IS NOT NULL))
        AND {_NOT_HELD.format(action=CREATE)}
    """,
}
_RENEW = """
    UPDATE directory_sync.dirty SET lease_until = $4
    WHERE district_id = $1 AND target_id = $2 AND lease_token = $3
"""
_HELD = """
    SELECT person_id FROM directory_sync.dirty
    WHERE district_id = $1 AND target_id = $2 AND lease_token = $3
    ORDER BY person_id FOR UPDATE
"""
_FINISH = """
    DELETE FROM directory_sync.dirty d
    USING unnest($3::text[], $4::bigint[]) AS r(person_id, generation)
    WHERE d.district_id = $1 AND d.target_id = $2 AND d.person_id = r.person_id
      AND d.generation = r.generation
"""
_COME_AGAIN = """
    UPDATE directory_sync.dirty
    SET lease_token = NULL, lease_until = NULL, attempts = 0, next_attempt_at = $4
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[])
"""
# A newer mark came meanwhile: it is due at once, whatever the older one's retry says.
_RETRY = """
    UPDATE directory_sync.dirty d
    SET lease_token = NULL, lease_until = NULL, last_error_code = r.code,
        next_attempt_at = CASE WHEN d.attempts = 0 THEN d.next_attempt_at ELSE r.at END
    FROM unnest($3::text[], $4::timestamptz[], $5::text[]) AS r(person_id, at, code)
    WHERE d.district_id = $1 AND d.target_id = $2 AND d.person_id = r.person_id
"""


class PostgresMarks:
    """Who must be looked at, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def set(
        self,
        district_id: DistrictId,
        targets: Sequence[TargetId],
        causes: Mapping[PersonId, Cause],
        *,
        now: datetime,
    ) -> None:
        """Mark; a mark that stands already becomes due at once and keeps its first time."""
        await self._driver.execute(
            _SET,
            district_id,
            list(targets),
            list(causes),
            [int(c.origin in _BULK_ORIGINS) for c in causes.values()],
            [c.correlation_id for c in causes.values()],
            [c.causation_id for c in causes.values()],
            [c.origin for c in causes.values()],
            now,
        )

    async def set_everyone(
        self, district_id: DistrictId, target_id: TargetId, *, now: datetime
    ) -> None:
        """Mark every person of the district that is not marked yet."""
        await self._driver.execute(_SET_EVERYONE, district_id, target_id, now)

    async def claim(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        limit: int,
        token: str,
        now: datetime,
        lease_until: datetime,
    ) -> Sequence[Claimed]:
        """Take due marks under a lease; live ones alone while there are any."""
        marks = await self._driver.fetch(
            _CLAIM, district_id, target_id, limit, token, now, lease_until
        )
        if not marks:
            return []
        return await self._with_facts(district_id, target_id, marks)

    async def look_at(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        which: LookAt,
        *,
        after: PersonId,
        limit: int,
        since: datetime,
    ) -> Sequence[Claimed]:
        """A page of persons as `claim` would give them, without a lease."""
        more: list[object] = [] if which in {LookAt.EVERYONE, LookAt.MARKED} else [since]
        if which is LookAt.MAY_CREATE:
            more.append(sorted(uncounted_origins(CREATE)))
        rows = await self._driver.fetch(
            _PAGE.format(rows=_SETS[which]), district_id, target_id, after, limit, *more
        )
        return await self._with_facts(district_id, target_id, rows) if rows else []

    async def add(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        causes: Mapping[PersonId, Cause],
        *,
        now: datetime,
    ) -> None:
        """Mark those without a mark; one that waits for its time goes on waiting."""
        await self._driver.execute(
            _ADD,
            district_id,
            target_id,
            list(causes),
            [c.correlation_id for c in causes.values()],
            [c.origin for c in causes.values()],
            now,
        )

    async def wake(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        people: Sequence[PersonId],
        *,
        now: datetime,
    ) -> None:
        """Make the marks of these people due now."""
        await self._driver.execute(_WAKE, district_id, target_id, list(people), now)

    async def drop_held(
        self, district_id: DistrictId, target_id: TargetId, people: Sequence[PersonId]
    ) -> None:
        """Remove marks that only wait for a plan; one that was set anew meanwhile stays."""
        await self._driver.execute(_DROP, district_id, target_id, list(people))

    async def _with_facts(
        self, district_id: DistrictId, target_id: TargetId, marks: Sequence[asyncpg.Record]
    ) -> Sequence[Claimed]:
        ids = [row["person_id"] for row in marks]
        rows = await self._driver.fetch(_FACTS, district_id, target_id, ids)
        facts = {row["person_id"]: row for row in rows}
        people = {
            person_id: None if row["state"] is None else load_person(row["state"])
            for person_id, row in facts.items()
        }
        records = {person_id: record_of(row) for person_id, row in facts.items()}
        unlinked = [i for i in ids if (held := records[i]) is None or held.actual is None]
        found = await self._candidates(district_id, target_id, unlinked, people)
        return [
            Claimed(
                person_id=PersonId(row["person_id"]),
                person=people[row["person_id"]],
                record=records[row["person_id"]],
                found=found.get(row["person_id"], ()),
                cause=Cause(
                    correlation_id=row["correlation_id"],
                    causation_id=row["causation_id"],
                    origin=row["origin"],
                ),
                attempt=row["attempts"],
                generation=row["generation"],
            )
            for row in sorted(marks, key=lambda mark: str(mark["person_id"]))
        ]

    async def _candidates(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        unlinked: Sequence[str],
        people: Mapping[str, Person | None],
    ) -> Mapping[str, list[ActualAccount]]:
        keys = [
            key_of(person.username)
            if (person := people[person_id]) is not None and person.username
            else None
            for person_id in unlinked
        ]
        rows = await self._driver.fetch(_CANDIDATES, district_id, target_id, unlinked, keys)
        found: dict[str, list[ActualAccount]] = {}
        for row in rows:
            found.setdefault(row["person_id"], []).append(load_actual(row["observed"]))
        return found

    async def renew(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        token: str,
        lease_until: datetime,
    ) -> None:
        """Keep what is still under this lease for longer."""
        await self._driver.execute(_RENEW, district_id, target_id, token, lease_until)

    async def held(
        self, district_id: DistrictId, target_id: TargetId, *, token: str
    ) -> frozenset[PersonId]:
        """Those still under this lease, locked until the transaction ends."""
        rows = await self._driver.fetch(_HELD, district_id, target_id, token)
        return frozenset(PersonId(row["person_id"]) for row in rows)

    async def finish(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        done: Mapping[PersonId, int],
        *,
        now: datetime,
    ) -> None:
        """Remove marks of these generations; a newer mark stays and is due at once."""
        ids = list(done)
        await self._driver.execute(_FINISH, district_id, target_id, ids, list(done.values()))
        await self._driver.execute(_COME_AGAIN, district_id, target_id, ids, now)

    async def retry(
        self, district_id: DistrictId, target_id: TargetId, retries: Sequence[Retry]
    ) -> None:
        """Give the lease back; the mark comes again at its time."""
        await self._driver.execute(
            _RETRY,
            district_id,
            target_id,
            [r.person_id for r in retries],
            [r.at for r in retries],
            [r.code for r in retries],
        )
