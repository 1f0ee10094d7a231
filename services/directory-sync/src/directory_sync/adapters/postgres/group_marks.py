"""Marks on groups in PostgreSQL: table dirty_group, a queue with leases and generations.

Raw driver. What a claimed group is made from is read by group_facts.py in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from directory_sync.adapters.postgres.group_facts import claimed_groups
from directory_sync.adapters.postgres.leased import BULK_ORIGINS, Leased
from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupKey, GroupKind, GroupName
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.membership import ClaimedGroup, GroupRetry

# A mark of a load waits a second, so that what the load tells next is in the same request.
_SETTLE = "make_interval(secs => 1)"

_INTO = """
    INSERT INTO directory_sync.dirty_group AS d
        (district_id, target_id, group_key, kind, subject_id, lane, correlation_id, causation_id,
         origin, since, next_attempt_at)
"""
# A mark that nobody took yet and that has the same cause covers this already: a load touches a
# group once per member. Else it is due again at once; a lease is left alone, the higher generation
# keeps it from being finished by who holds it now.
_AGAIN = """
    ON CONFLICT (district_id, target_id, group_key) DO UPDATE SET
        lane = least(d.lane, excluded.lane), correlation_id = excluded.correlation_id,
        causation_id = excluded.causation_id,
        origin = CASE WHEN excluded.lane <= d.lane THEN excluded.origin ELSE d.origin END,
        generation = d.generation + 1, attempts = 0, next_attempt_at = excluded.next_attempt_at
    WHERE d.lease_token IS NOT NULL OR d.attempts > 0 OR excluded.lane < d.lane
       OR excluded.correlation_id <> d.correlation_id
"""
# Rows: groups touched by one batch x targets of the district.
_SET = f"""
    {_INTO}
    SELECT $1, t.target_id, r.group_key, r.kind, r.subject_id, r.lane, r.correlation_id,
           r.causation_id, r.origin, $10::timestamptz, $10 + r.lane * {_SETTLE}
    FROM unnest($3::text[], $4::text[], $5::text[], $6::smallint[], $7::text[], $8::text[],
                $9::text[])
        AS r(group_key, kind, subject_id, lane, correlation_id, causation_id, origin),
        unnest($2::text[]) AS t(target_id)
    ORDER BY t.target_id, r.group_key
    {_AGAIN}
"""
# Who plans or records groups and who changes accounts wait for one another: else a plan could miss
# an account that was just made while its maker misses the mark that the plan takes away, and a
# reading take for a stranger whom a maker, who sees no stranger yet, makes a person's account.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
# Rows: groups in which these persons have a place or are members; indexes place_pkey and
# membership_person.
_SET_FOR_PEOPLE = f"""
    WITH asked AS (
        SELECT * FROM unnest($3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[])
            AS r(person_id, lane, correlation_id, causation_id, origin)
    ), theirs AS (
        SELECT p.person_id, p.group_key, p.kind, p.subject_id FROM directory_sync.place p
        WHERE p.district_id = $1 AND p.person_id = ANY($3::text[])
        UNION
        SELECT m.person_id, g.group_key, g.kind, g.subject_id
        FROM directory_sync.membership m
        JOIN directory_sync.directory_group g
            ON g.district_id = $1 AND g.target_id = $2 AND g.group_key = m.group_key
        WHERE m.district_id = $1 AND m.target_id = $2 AND m.person_id = ANY($3::text[])
    )
    {_INTO}
    SELECT DISTINCT ON (group_key) $1, $2, group_key, kind, subject_id, lane, correlation_id,
           causation_id, origin, $8::timestamptz, $8 + lane * {_SETTLE}
    FROM theirs JOIN asked USING (person_id) WHERE kind = ANY($9::text[])
    ORDER BY group_key, lane, person_id
    {_AGAIN}
"""
# Rows: every group that the roster or the target knows, once per target.
_SET_ALL = f"""
    {_INTO}
    SELECT DISTINCT ON (known.group_key) $1, $2, known.group_key, known.kind, known.subject_id, 1,
           $4, NULL, 'republish', $3::timestamptz, $3 + {_SETTLE}
    FROM (SELECT group_key, kind, subject_id FROM directory_sync.place WHERE district_id = $1
          UNION ALL
          SELECT group_key, kind, subject_id FROM directory_sync.directory_group
          WHERE district_id = $1 AND target_id = $2) AS known
    WHERE known.kind = ANY($5::text[])
    ORDER BY known.group_key
    ON CONFLICT (district_id, target_id, group_key) DO NOTHING
"""
# Rows: <= $3, index dirty_group_due. Lane 1 waits until no first try of a load's account waits; so
# does a group that stood there before us, whose members we know by their accounts alone.
_CLAIM = """
    WITH free AS (
        SELECT d.group_key, d.lane FROM directory_sync.dirty_group d
        WHERE d.district_id = $1 AND d.target_id = $2 AND d.next_attempt_at <= $5
          AND (d.lease_until IS NULL OR d.lease_until < $5)
          AND (d.lane = 0 AND NOT EXISTS (
                SELECT 1 FROM directory_sync.directory_group g
                WHERE g.district_id = $1 AND g.target_id = $2 AND g.group_key = d.group_key
                  AND g.doubt = 'found')
            OR NOT EXISTS (
                SELECT 1 FROM directory_sync.dirty
                WHERE district_id = $1 AND target_id = $2 AND lane = 1 AND last_error_code IS NULL))
        ORDER BY d.lane, d.next_attempt_at LIMIT $3
        FOR UPDATE OF d SKIP LOCKED
    ), due AS (SELECT group_key FROM free WHERE lane = (SELECT min(lane) FROM free))
    UPDATE directory_sync.dirty_group d
    SET lease_token = $4, lease_until = $6, attempts = d.attempts + 1
    WHERE d.district_id = $1 AND d.target_id = $2
      AND d.group_key = ANY(ARRAY(SELECT group_key FROM due))
    RETURNING d.group_key, d.kind, d.subject_id, d.correlation_id, d.causation_id, d.origin,
              d.attempts, d.generation
"""


class PostgresGroupMarks(Leased[GroupKey]):
    """Which groups must be looked at, inside one transaction."""

    TABLE = "dirty_group"
    KEY = "group_key"

    async def set(
        self,
        district_id: DistrictId,
        targets: Sequence[TargetId],
        causes: Mapping[GroupName, Cause],
        *,
        now: datetime,
    ) -> None:
        """Mark; a mark that stands already becomes due again and keeps its first time."""
        await self._driver.execute(
            _SET,
            district_id,
            list(targets),
            [name.key for name in causes],
            [name.kind.value for name in causes],
            [name.subject_id for name in causes],
            *_columns(causes.values()),
            now,
        )

    async def set_for_people(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        causes: Mapping[PersonId, Cause],
        *,
        kinds: Sequence[GroupKind],
        now: datetime,
    ) -> None:
        """Mark the groups of these persons; keeps planners of groups out until the end."""
        await self._lock(district_id, target_id)
        await self._driver.execute(
            _SET_FOR_PEOPLE,
            district_id,
            target_id,
            list(causes),
            *_columns(causes.values()),
            now,
            [kind.value for kind in kinds],
        )

    async def set_all(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        kinds: Sequence[GroupKind],
        correlation_id: str,
        now: datetime,
    ) -> None:
        """Mark every group that is known and not marked yet."""
        wanted = [kind.value for kind in kinds]
        await self._driver.execute(_SET_ALL, district_id, target_id, now, correlation_id, wanted)

    async def claim(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        limit: int,
        token: str,
        now: datetime,
        lease_until: datetime,
    ) -> Sequence[ClaimedGroup]:
        """Take due marks under a lease; live ones alone while there are any.

        Keeps those who change accounts out until the end.
        """
        await self._lock(district_id, target_id)
        marks = await self._driver.fetch(
            _CLAIM, district_id, target_id, limit, token, now, lease_until
        )
        if not marks:
            return []
        return await claimed_groups(self._driver, district_id, target_id, marks)

    async def _lock(self, district_id: DistrictId, target_id: TargetId) -> None:
        await self._driver.execute(_LOCK, f"directory_sync/groups/{district_id}/{target_id}")

    async def held(
        self, district_id: DistrictId, target_id: TargetId, *, token: str
    ) -> frozenset[GroupKey]:
        """Those still under this lease, locked until the transaction ends.

        Keeps those who change accounts out until then, too.
        """
        await self._lock(district_id, target_id)
        return frozenset(map(GroupKey, await self._under(district_id, target_id, token)))

    async def retry(
        self, district_id: DistrictId, target_id: TargetId, retries: Sequence[GroupRetry]
    ) -> None:
        """Give the lease back; the mark comes again at its time."""
        again = [(r.key, r.at, r.code) for r in retries]
        await self._give_back(district_id, target_id, again)


def _columns(
    causes: Iterable[Cause],
) -> tuple[list[int], list[str], list[str | None], list[str]]:
    """Lane, correlation id, causation id and origin of each."""
    given = list(causes)
    return (
        [int(c.origin in BULK_ORIGINS) for c in given],
        [c.correlation_id for c in given],
        [c.causation_id for c in given],
        [c.origin for c in given],
    )
