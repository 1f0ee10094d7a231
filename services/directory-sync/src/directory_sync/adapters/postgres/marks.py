"""Marks in PostgreSQL: table dirty, a queue with leases and generations. Raw driver."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from directory_sync.adapters.postgres.claimed import with_facts
from directory_sync.adapters.postgres.leased import BULK_ORIGINS, Leased
from directory_sync.domain.fact import Cause
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.work import Claimed, Retry

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
    FROM directory_sync.person WHERE district_id = $1
    ON CONFLICT (district_id, target_id, person_id) DO NOTHING
"""
# Rows: <= $3, index dirty_due. The lower lane alone while it has anything due. Here and below the
# ids stand in an array: a join would be planned by the queue's figures, which are always old.
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
    WHERE d.district_id = $1 AND d.target_id = $2
      AND d.person_id = ANY(ARRAY(SELECT person_id FROM due))
    RETURNING d.person_id, d.correlation_id, d.causation_id, d.origin, d.attempts, d.generation
"""
# Rows: persons without a mark, by primary key.
_ADD = """
    INSERT INTO directory_sync.dirty
        (district_id, target_id, person_id, lane, correlation_id, causation_id, origin,
         since, next_attempt_at)
    SELECT $1, $2, r.person_id, 1, r.correlation_id, r.causation_id, r.origin, $7, $7
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
        AS r(person_id, correlation_id, causation_id, origin)
    ORDER BY r.person_id
    ON CONFLICT (district_id, target_id, person_id) DO NOTHING
"""
_ALL = """
    SELECT person_id, generation FROM directory_sync.dirty
    WHERE district_id = $1 AND target_id = $2 ORDER BY person_id
"""


class PostgresMarks(Leased[PersonId]):
    """Who must be looked at, inside one transaction."""

    TABLE = "dirty"
    KEY = "person_id"

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
            [int(c.origin in BULK_ORIGINS) for c in causes.values()],
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
        return await with_facts(self._driver, district_id, target_id, marks)

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
            [c.causation_id for c in causes.values()],
            [c.origin for c in causes.values()],
            now,
        )

    async def standing(
        self, district_id: DistrictId, target_id: TargetId
    ) -> Sequence[tuple[PersonId, int]]:
        """Every mark of the target with its generation, by person; takes no lease."""
        rows = await self._driver.fetch(_ALL, district_id, target_id)
        return [(PersonId(row["person_id"]), row["generation"]) for row in rows]

    async def held(
        self, district_id: DistrictId, target_id: TargetId, *, token: str
    ) -> frozenset[PersonId]:
        """Those still under this lease, locked until the transaction ends."""
        return frozenset(map(PersonId, await self._under(district_id, target_id, token)))

    async def retry(
        self, district_id: DistrictId, target_id: TargetId, retries: Sequence[Retry]
    ) -> None:
        """Give the lease back; the mark comes again at its time."""
        again = [(r.person_id, r.at, r.code) for r in retries]
        await self._give_back(district_id, target_id, again)
