"""`Tracer`: what a delivery caused in directories, and which accounts a person has. Reads only.

Ids, counts and codes; no name. Each statement is a transaction of its own on the read pool.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg
import orjson

from directory_sync.adapters.postgres.plans import OF_ACCOUNT
from roster_common.runtime.database import Database
from roster_common.runtime.trace import Copy, Step

_TIMEOUT_S: Final = 10.0

# Rows: one per commit and kind, index step_cause.
_STEPS: Final = """
    SELECT district_id, at, what, ids::text AS ids, item_count, detail FROM directory_sync.step
    WHERE correlation_id = $1 AND ($2::text[] IS NULL OR district_id = ANY($2::text[]))
    ORDER BY at, what LIMIT $3
"""
# Rows: one per target, index account_person. The plan that decides about an account goes before
# its last error.
_COPIES: Final = f"""
    SELECT a.district_id, a.target_id, a.account_id, a.state,
           a.changed_at, a.correlation_id, a.last_error_code, i.plan_id, i.state AS item_state
    FROM directory_sync.account a
    LEFT JOIN LATERAL (SELECT plan_id, state FROM directory_sync.plan_item
        WHERE district_id = a.district_id AND target_id = a.target_id AND person_id = a.person_id
          AND state IN ('waiting', 'released', 'refused', 'expired') AND {OF_ACCOUNT}
        ORDER BY plan_id DESC LIMIT 1) AS i ON true
    WHERE a.person_id = $1 AND ($2::text[] IS NULL OR a.district_id = ANY($2::text[]))
    ORDER BY a.district_id, a.target_id
"""
# Rows: groups of one person, index membership_person.
_GROUPS: Final = """
    SELECT m.district_id, m.target_id, g.group_key, g.group_id, m.since, g.correlation_id
    FROM directory_sync.account a
    JOIN directory_sync.membership m ON m.district_id = a.district_id
        AND m.target_id = a.target_id AND m.person_id = a.person_id
    JOIN directory_sync.directory_group g ON g.district_id = m.district_id
        AND g.target_id = m.target_id AND g.group_key = m.group_key
    WHERE a.person_id = $1 AND ($2::text[] IS NULL OR a.district_id = ANY($2::text[]))
    ORDER BY m.district_id, m.target_id, g.group_key
"""


class PostgresTracer:
    """Answers from this service's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def steps(
        self, correlation_id: str, *, districts: Sequence[str] | None, limit: int
    ) -> Sequence[Step]:
        """What commits of this service did for the correlation id, oldest first."""
        pool = await self._database.pool()
        rows = await pool.fetch(_STEPS, correlation_id, districts, limit, timeout=_TIMEOUT_S)
        return [
            Step(
                at=row["at"],
                what=row["what"],
                district=row["district_id"],
                ids=orjson.loads(row["ids"]),
                count=row["item_count"] if row["item_count"] > 1 else None,
                detail=row["detail"],
            )
            for row in rows
        ]

    async def copies(self, person_id: str, *, districts: Sequence[str] | None) -> Sequence[Copy]:
        """The person's account in each target, and the groups it is in."""
        pool = await self._database.pool()
        accounts = await pool.fetch(_COPIES, person_id, districts, timeout=_TIMEOUT_S)
        groups = await pool.fetch(_GROUPS, person_id, districts, timeout=_TIMEOUT_S)
        return [*map(_account, accounts), *map(_membership, groups)]


def _account(row: asyncpg.Record) -> Copy:
    held = None if row["plan_id"] is None else f"plan_{row['item_state']}:{row['plan_id']}"
    return Copy(
        kind="account",
        where=row["target_id"],
        district=row["district_id"],
        id=row["account_id"] or "",
        state=row["state"],
        at=row["changed_at"],
        correlation_id=row["correlation_id"],
        detail=held or row["last_error_code"],
    )


def _membership(row: asyncpg.Record) -> Copy:
    return Copy(
        kind="membership",
        where=row["target_id"],
        district=row["district_id"],
        id=row["group_id"] or "",
        state="member",
        at=row["since"],
        correlation_id=row["correlation_id"],
        detail=row["group_key"],
    )
