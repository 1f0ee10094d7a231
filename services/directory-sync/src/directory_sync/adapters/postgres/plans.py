"""Plans that wait, their items and spent budgets in PostgreSQL. Raw driver, written as sets."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupKey
from directory_sync.domain.guard import Budget, Wish
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.plans import Item, ItemState, Plan, PlanKind, removal
from roster_common.holds import Decision

PLAN_COLUMNS: Final = """
    district_id, target_id, plan_id, kind, state, items_hash, counts::text AS counts, population,
    limit_count, limit_share, approvals, approvals_needed, correlation_id, created_at, grown_at,
    expires_at, ended_at, reason
"""
# An action on a group names it; one on an account is a word.
OF_ACCOUNT: Final = "position(':' in action) = 0"
# The predicate of index plan_item_live.
_LIVE = "state IN ('waiting', 'released', 'refused', 'expired')"
# Rows: a claimed batch, index plan_item_live.
_STANDS = f"""
    SELECT person_id, action, state FROM directory_sync.plan_item
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[]) AND {_LIVE}
      AND {OF_ACCOUNT}
"""
# Rows: live removals from a claimed batch of groups, index plan_item_action.
_STANDS_IN = f"""
    SELECT person_id, action, state FROM directory_sync.plan_item
    WHERE district_id = $1 AND target_id = $2 AND action = ANY($3::text[]) AND {_LIVE}
"""
_PASSED = """
    SELECT person_id FROM directory_sync.spent
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[]) AND at > $4
"""
# Rows: the accounts of one target. Those disabled within the budget still count: the population is
# what stood before anything was spent.
_BUDGET = """
    SELECT
        (SELECT count(*) FROM directory_sync.spent
         WHERE district_id = $1 AND target_id = $2 AND at > $3) AS spent,
        (SELECT count(*) FROM directory_sync.account a
         WHERE a.district_id = $1 AND a.target_id = $2 AND (a.state = 'enabled' OR (
            a.state = 'disabled' AND EXISTS (
                SELECT 1 FROM directory_sync.spent s
                WHERE s.district_id = $1 AND s.target_id = $2 AND s.person_id = a.person_id
                  AND s.at > $3)))) AS population,
        EXISTS (SELECT 1 FROM directory_sync.plan
         WHERE district_id = $1 AND target_id = $2 AND state = 'open'
           AND kind <> 'removals') AS asking
"""
_SPEND = """
    INSERT INTO directory_sync.spent AS s (district_id, target_id, person_id, at)
    SELECT $1, $2, person_id, $4 FROM unnest($3::text[]) AS r(person_id)
    ON CONFLICT (district_id, target_id, person_id) DO UPDATE SET at = excluded.at
"""
_GET = f"""
    SELECT {PLAN_COLUMNS} FROM directory_sync.plan
    WHERE district_id = $1 AND target_id = $2 AND plan_id = $3
"""
_LATEST = f"""
    SELECT {PLAN_COLUMNS} FROM directory_sync.plan
    WHERE district_id = $1 AND target_id = $2 AND kind = $3
    ORDER BY created_at DESC, plan_id DESC LIMIT 1
"""
_OVERDUE = f"""
    SELECT {PLAN_COLUMNS} FROM directory_sync.plan
    WHERE district_id = $1 AND state = 'open' AND expires_at <= $2
"""
# Rows: few. A first connection that wants nothing goes live by itself.
_EMPTIED = f"""
    SELECT {PLAN_COLUMNS} FROM directory_sync.plan
    WHERE district_id = $1 AND state = 'open' AND kind <> 'first_connection'
      AND plan_id <> ALL (ARRAY(SELECT i.plan_id FROM directory_sync.plan_item i
          WHERE i.district_id = $1 AND i.state = 'waiting'))
"""
_SAVE = """
    INSERT INTO directory_sync.plan
        (district_id, target_id, plan_id, kind, state, items_hash, counts, population, limit_count,
         limit_share, approvals, approvals_needed, correlation_id, created_at, grown_at,
         expires_at, ended_at, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9, $10, $11::text[], $12, $13, $14, $15,
            $16, $17, $18)
    ON CONFLICT (district_id, target_id, plan_id) DO UPDATE SET
        state = excluded.state, items_hash = excluded.items_hash, counts = excluded.counts,
        population = excluded.population, limit_count = excluded.limit_count,
        approvals = excluded.approvals, approvals_needed = excluded.approvals_needed,
        grown_at = excluded.grown_at, ended_at = excluded.ended_at, reason = excluded.reason
"""
_WAITING = """
    SELECT person_id, action, correlation_id, causation_id, origin FROM directory_sync.plan_item
    WHERE district_id = $1 AND target_id = $2 AND plan_id = $3 AND state = 'waiting'
"""
# One that left this plan and is wanted again waits again.
_ADD = """
    INSERT INTO directory_sync.plan_item
        (district_id, target_id, plan_id, person_id, action, reason, attributes, correlation_id,
         causation_id, origin, state)
    SELECT $1, $2, $3, r.person_id, r.action, r.reason,
           ARRAY(SELECT jsonb_array_elements_text(r.attributes::jsonb)), r.correlation_id,
           r.causation_id, r.origin, 'waiting'
    FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::text[])
        AS r(person_id, action, reason, attributes, correlation_id, causation_id, origin)
    ON CONFLICT (district_id, target_id, plan_id, person_id, action) DO UPDATE SET
        state = excluded.state, reason = excluded.reason, attributes = excluded.attributes,
        correlation_id = excluded.correlation_id, causation_id = excluded.causation_id,
        origin = excluded.origin
"""
_TURN = """
    UPDATE directory_sync.plan_item SET state = $4
    WHERE district_id = $1 AND target_id = $2 AND plan_id = $3 AND state = 'waiting'
"""
# Rows: a batch's items that are no longer wanted, index plan_item_live.
_END = f"""
    UPDATE directory_sync.plan_item SET state = 'gone'
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[]) AND {_LIVE}
      AND (person_id, action) IN (SELECT * FROM unnest($3::text[], $4::text[]))
    RETURNING plan_id
"""
# Rows: open plans that items left, with their items by primary key. Every action keeps its place.
_RECOUNT = """
    UPDATE directory_sync.plan p SET counts = (
        SELECT jsonb_object_agg(k.action, coalesce(n.n, 0))
        FROM jsonb_object_keys(p.counts) AS k(action)
        LEFT JOIN (SELECT split_part(i.action, ':', 1) AS action, count(*) AS n
            FROM directory_sync.plan_item i
            WHERE i.district_id = $1 AND i.target_id = $2 AND i.plan_id = p.plan_id
              AND i.state = 'waiting' GROUP BY 1) AS n USING (action))
    WHERE p.district_id = $1 AND p.target_id = $2 AND p.plan_id = ANY($3::text[])
      AND p.state = 'open'
"""
_FINISH = f"""
    UPDATE directory_sync.plan_item SET state = 'done'
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[])
      AND state = 'released' AND {OF_ACCOUNT}
"""
_FINISH_ITEMS = """
    UPDATE directory_sync.plan_item SET state = 'done'
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[])
      AND (person_id, action) IN (SELECT * FROM unnest($3::text[], $4::text[]))
      AND state = 'released'
"""
_FORGET_STEPS = "DELETE FROM directory_sync.step WHERE district_id = $1 AND at < $2"
_FORGET_SPENT = "DELETE FROM directory_sync.spent WHERE district_id = $1 AND at < $2"
_FORGET_ITEMS = f"""
    DELETE FROM directory_sync.plan_item i USING directory_sync.plan p
    WHERE p.district_id = $1 AND p.ended_at < $2 AND i.district_id = p.district_id
      AND i.target_id = p.target_id AND i.plan_id = p.plan_id AND NOT (i.{_LIVE})
"""
_FORGET_PLANS = """
    DELETE FROM directory_sync.plan p
    WHERE p.district_id = $1 AND p.ended_at < $2 AND NOT EXISTS (
        SELECT 1 FROM directory_sync.plan_item i WHERE i.district_id = p.district_id
          AND i.target_id = p.target_id AND i.plan_id = p.plan_id)
"""


class PostgresPlans:
    """Plans, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def stands(
        self, district_id: DistrictId, target_id: TargetId, people: Sequence[PersonId]
    ) -> Mapping[Item, ItemState]:
        """Live items about these people's accounts."""
        return _states(await self._driver.fetch(_STANDS, district_id, target_id, list(people)))

    async def stands_in(
        self, district_id: DistrictId, target_id: TargetId, groups: Sequence[GroupKey]
    ) -> Mapping[Item, ItemState]:
        """Live removals from these groups."""
        actions = [removal(key) for key in groups]
        return _states(await self._driver.fetch(_STANDS_IN, district_id, target_id, actions))

    async def passed(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        people: Sequence[PersonId],
        *,
        since: datetime,
    ) -> frozenset[PersonId]:
        """Whose disable cost budget since then."""
        rows = await self._driver.fetch(_PASSED, district_id, target_id, list(people), since)
        return frozenset(PersonId(row["person_id"]) for row in rows)

    async def budget(
        self, district_id: DistrictId, target_id: TargetId, *, since: datetime
    ) -> Budget:
        """What disables have of the target."""
        (row,) = await self._driver.fetch(_BUDGET, district_id, target_id, since)
        return Budget(**dict(row))

    async def spend(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        people: Sequence[PersonId],
        *,
        now: datetime,
    ) -> None:
        """Note that these are disabled without asking."""
        await self._driver.execute(_SPEND, district_id, target_id, list(people), now)

    async def get(self, district_id: DistrictId, target_id: TargetId, plan_id: str) -> Plan | None:
        """One plan."""
        row = await self._driver.fetchrow(_GET, district_id, target_id, plan_id)
        return None if row is None else plan_of(row)

    async def latest(
        self, district_id: DistrictId, target_id: TargetId, kind: PlanKind
    ) -> Plan | None:
        """The youngest plan of a kind, whatever became of it."""
        row = await self._driver.fetchrow(_LATEST, district_id, target_id, kind)
        return None if row is None else plan_of(row)

    async def overdue(self, district_id: DistrictId, *, now: datetime) -> Sequence[Plan]:
        """Open plans whose time is over."""
        return [plan_of(row) for row in await self._driver.fetch(_OVERDUE, district_id, now)]

    async def emptied(self, district_id: DistrictId) -> Sequence[Plan]:
        """Open plans in which nothing waits any more."""
        return [plan_of(row) for row in await self._driver.fetch(_EMPTIED, district_id)]

    async def save(self, plan: Plan) -> None:
        """Store a plan as given, without its items."""
        decision = plan.decision
        await self._driver.execute(
            _SAVE,
            plan.district_id,
            plan.target_id,
            plan.plan_id,
            plan.kind,
            decision.state,
            decision.items_hash,
            orjson.dumps(dict(plan.counts)).decode(),
            plan.population,
            plan.limit,
            plan.limit_share,
            list(decision.approvals),
            decision.approvals_needed,
            plan.correlation_id,
            plan.created_at,
            plan.grown_at,
            decision.expires_at,
            plan.ended_at,
            plan.reason,
        )

    async def waiting(self, plan: Plan) -> Mapping[Item, Cause]:
        """Items that wait, and what each goes back to."""
        rows = await self._driver.fetch(_WAITING, plan.district_id, plan.target_id, plan.plan_id)
        return {
            (PersonId(row["person_id"]), row["action"]): Cause(
                correlation_id=row["correlation_id"],
                causation_id=row["causation_id"],
                origin=row["origin"],
            )
            for row in rows
        }

    async def add(self, plan: Plan, wishes: Sequence[Wish]) -> None:
        """Put wishes into a plan; none may be live in another."""
        await self._driver.execute(
            _ADD,
            plan.district_id,
            plan.target_id,
            plan.plan_id,
            [wish.person_id for wish in wishes],
            [wish.action for wish in wishes],
            [wish.reason for wish in wishes],
            [orjson.dumps(wish.attributes).decode() for wish in wishes],
            [wish.cause.correlation_id for wish in wishes],
            [wish.cause.causation_id for wish in wishes],
            [wish.cause.origin for wish in wishes],
        )

    async def turn(self, plan: Plan, *, state: ItemState) -> None:
        """Give every waiting item of the plan another state."""
        await self._driver.execute(
            _TURN, plan.district_id, plan.target_id, plan.plan_id, state.value
        )

    async def end(
        self, district_id: DistrictId, target_id: TargetId, items: Iterable[Item]
    ) -> None:
        """No longer wanted: live items leave their plans, and open ones are counted anew."""
        pairs = list(items)
        rows = await self._driver.fetch(
            _END, district_id, target_id, [p for p, _ in pairs], [action for _, action in pairs]
        )
        left = sorted({row["plan_id"] for row in rows})
        if left:
            await self._driver.execute(_RECOUNT, district_id, target_id, left)

    async def finish(
        self, district_id: DistrictId, target_id: TargetId, people: Sequence[PersonId]
    ) -> None:
        """Done: what was released about these people's accounts is at its end."""
        await self._driver.execute(_FINISH, district_id, target_id, list(people))

    async def finish_items(
        self, district_id: DistrictId, target_id: TargetId, items: Sequence[Item]
    ) -> None:
        """Done: those of these items that were released are at their end."""
        await self._driver.execute(
            _FINISH_ITEMS, district_id, target_id, [p for p, _ in items], [a for _, a in items]
        )

    async def forget(
        self,
        district_id: DistrictId,
        *,
        spent_before: datetime,
        steps_before: datetime,
        ended_before: datetime,
    ) -> None:
        """Delete what was spent, steps, and plans that ended without a live item, before these."""
        await self._driver.execute(_FORGET_STEPS, district_id, steps_before)
        await self._driver.execute(_FORGET_SPENT, district_id, spent_before)
        await self._driver.execute(_FORGET_ITEMS, district_id, ended_before)
        await self._driver.execute(_FORGET_PLANS, district_id, ended_before)


def _states(rows: Sequence[asyncpg.Record]) -> Mapping[Item, ItemState]:
    return {(PersonId(r["person_id"]), r["action"]): ItemState(r["state"]) for r in rows}


def plan_of(row: asyncpg.Record) -> Plan:
    """The plan in a row of `PLAN_COLUMNS`."""
    return Plan(
        district_id=row["district_id"],
        target_id=row["target_id"],
        plan_id=row["plan_id"],
        kind=row["kind"],
        decision=Decision(
            state=row["state"],
            items_hash=row["items_hash"],
            expires_at=row["expires_at"],
            approvals=tuple(row["approvals"]),
            approvals_needed=row["approvals_needed"],
        ),
        counts=orjson.loads(row["counts"]),
        population=row["population"],
        limit=row["limit_count"],
        limit_share=row["limit_share"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        grown_at=row["grown_at"],
        ended_at=row["ended_at"],
        reason=row["reason"],
    )
