"""Persons as a claim would give them, without a lease, to plan for many. Raw driver; reads only."""

from collections.abc import Sequence
from datetime import date, datetime

import asyncpg

from directory_sync.adapters.postgres.claimed import with_facts
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.policy import Policy
from directory_sync.domain.work import Claimed

# Rows: <= $3 after $2 in the order of persons.
_EVERYONE = """
    SELECT person_id, correlation_id, causation_id, 'schedule' AS origin,
           1 AS attempts, 0::bigint AS generation
    FROM directory_sync.person WHERE district_id = $1 AND person_id > $2
    ORDER BY person_id LIMIT $3
"""
# Rows: <= $4 after $3, from all marks of the target. The roles are those of `current_role`.
_LEAVING = """
    SELECT d.person_id, d.correlation_id, d.causation_id, d.origin, d.attempts, d.generation
    FROM directory_sync.dirty d
    WHERE d.district_id = $1 AND d.target_id = $2 AND d.person_id > $3
      AND EXISTS (SELECT 1 FROM directory_sync.account a
        WHERE a.district_id = $1 AND a.target_id = $2 AND a.person_id = d.person_id
          AND a.state = 'enabled')
      AND NOT EXISTS (SELECT 1 FROM directory_sync.person p
        CROSS JOIN jsonb_to_recordset(p.state -> 'roles') AS r(role text, "begin" text, "end" text)
        WHERE p.district_id = $1 AND p.person_id = d.person_id
          AND (p.state -> 'active')::boolean AND (p.state -> 'enabled')::boolean
          AND r.role = ANY($5::text[]) AND (r."begin" IS NULL OR r."begin" <= $6)
          AND (r."end" IS NULL OR r."end" > $6))
      AND NOT EXISTS (SELECT 1 FROM directory_sync.plan_item i
        WHERE i.district_id = $1 AND i.target_id = $2 AND i.person_id = d.person_id
          AND i.action = 'disable' AND i.state IN ('waiting', 'released', 'refused'))
      AND NOT EXISTS (SELECT 1 FROM directory_sync.spent s
        WHERE s.district_id = $1 AND s.target_id = $2 AND s.person_id = d.person_id AND s.at > $7)
    ORDER BY d.person_id LIMIT $4
"""


class PostgresOutlook:
    """Whom to plan for without claiming them, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def everyone(
        self, district_id: DistrictId, target_id: TargetId, *, after: PersonId, limit: int
    ) -> Sequence[Claimed]:
        """A page of all persons of the district, by id; `after` "" is the start."""
        rows = await self._driver.fetch(_EVERYONE, district_id, after, limit)
        return await with_facts(self._driver, district_id, target_id, rows)

    async def leaving(
        self, policy: Policy, *, today: date, passed_since: datetime, after: PersonId, limit: int
    ) -> Sequence[Claimed]:
        """A page of marked persons who may be disabled and whom nothing decides about yet."""
        rows = await self._driver.fetch(
            _LEAVING,
            policy.district_id,
            policy.target_id,
            after,
            limit,
            sorted(policy.roles),
            today.isoformat(),
            passed_since,
        )
        return await with_facts(self._driver, policy.district_id, policy.target_id, rows)
