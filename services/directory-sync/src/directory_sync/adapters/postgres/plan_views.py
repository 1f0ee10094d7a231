"""Reads of plans for operators' pages, from the read pool; nothing here writes."""

from collections.abc import Sequence

import asyncpg

from directory_sync.adapters.postgres.plans import PLAN_COLUMNS, plan_of
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.plans import SAMPLE, ItemState, Plan, PlanItem, ShownPlan
from roster_common.runtime.database import Database

_TIMEOUT_S = 10.0

_COUNT = """
    SELECT count(*) FROM directory_sync.plan
    WHERE (district_id, target_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
      AND ($3::text IS NULL OR state = $3)
"""
_PAGE = f"""
    SELECT {PLAN_COLUMNS} FROM directory_sync.plan
    WHERE (district_id, target_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
      AND ($3::text IS NULL OR state = $3)
    ORDER BY created_at DESC, plan_id DESC LIMIT $4 OFFSET $5
"""
_ONE = f"""
    SELECT {PLAN_COLUMNS} FROM directory_sync.plan
    WHERE (district_id, target_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
      AND plan_id = $3
"""
# Rows: a page of one plan, by primary key. What left while the plan waited is not shown.
_ITEMS = """
    SELECT person_id, action, reason, attributes, state FROM directory_sync.plan_item
    WHERE district_id = $1 AND target_id = $2 AND plan_id = $3 AND state <> 'gone'
    ORDER BY person_id, action LIMIT $4 OFFSET $5
"""


class PostgresPlanViews:
    """Pages over the read pool; each statement is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        targets: Sequence[tuple[DistrictId, TargetId]],
        *,
        state: str | None,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[ShownPlan]]:
        """How many there are, and a page of them, newest first, each with a sample of items."""
        pool = await self._database.pool()
        seen = (*_columns(targets), state)
        total = await pool.fetchval(_COUNT, *seen, timeout=_TIMEOUT_S)
        rows = await pool.fetch(_PAGE, *seen, limit, offset, timeout=_TIMEOUT_S)
        return int(total), [await self._with_items(pool, plan_of(r), SAMPLE, 0) for r in rows]

    async def one(
        self,
        targets: Sequence[tuple[DistrictId, TargetId]],
        plan_id: str,
        *,
        limit: int,
        offset: int,
    ) -> ShownPlan | None:
        """One plan with a page of its items by person and action."""
        pool = await self._database.pool()
        row = await pool.fetchrow(_ONE, *_columns(targets), plan_id, timeout=_TIMEOUT_S)
        return None if row is None else await self._with_items(pool, plan_of(row), limit, offset)

    async def _with_items(
        self, pool: asyncpg.Pool, plan: Plan, limit: int, offset: int
    ) -> ShownPlan:
        rows = await pool.fetch(
            _ITEMS,
            plan.district_id,
            plan.target_id,
            plan.plan_id,
            limit,
            offset,
            timeout=_TIMEOUT_S,
        )
        return ShownPlan(plan=plan, items=[_item(row) for row in rows])


def _item(row: asyncpg.Record) -> PlanItem:
    return PlanItem(
        person_id=PersonId(row["person_id"]),
        action=row["action"],
        reason=row["reason"],
        attributes=row["attributes"],
        state=ItemState(row["state"]),
    )


def _columns(targets: Sequence[tuple[DistrictId, TargetId]]) -> tuple[list[str], list[str]]:
    return [district_id for district_id, _ in targets], [target_id for _, target_id in targets]
