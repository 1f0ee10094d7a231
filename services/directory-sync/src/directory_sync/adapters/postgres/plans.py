"""Plans that wait, their items and spent budgets in PostgreSQL. Raw driver, written as sets."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import orjson

from directory_sync.domain.guard import ItemState, Key, LiveItem, Wish
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.plans import Plan
from roster_common.holds import Decision

PLAN_COLUMNS = """
    district_id, target_id, plan_id, kind, action, state, items_hash, counts::text AS counts,
    item_count, population, limit_count, limit_share, approvals, approvals_needed,
    correlation_id, created_at, grown_at, expires_at
"""
# Rows: a claimed batch, index plan_item_live.
_LIVE = """
    SELECT i.person_id, i.group_id, i.action, i.state, i.plan_id, p.expires_at
    FROM directory_sync.plan_item i
    JOIN directory_sync.plan p USING (district_id, target_id, plan_id)
    WHERE i.district_id = $1 AND i.target_id = $2 AND i.person_id = ANY($3::text[])
      AND i.state IN ('waiting', 'released', 'refused', 'lapsed')
"""
_ASKING = """
    SELECT EXISTS (
        SELECT 1 FROM directory_sync.plan_item
        WHERE district_id = $1 AND target_id = $2 AND action = $3
          AND state IN ('waiting', 'lapsed'))
"""
_SPENT = """
    SELECT count(*) FROM directory_sync.spent
    WHERE district_id = $1 AND target_id = $2 AND action = $3 AND at > $4
"""
_PASSED = """
    SELECT person_id, group_id, action FROM directory_sync.spent
    WHERE district_id = $1 AND target_id = $2 AND person_id = ANY($3::text[]) AND at > $4
"""
_SPEND = """
    INSERT INTO directory_sync.spent (district_id, target_id, action, person_id, group_id, at)
    SELECT $1, $2, r.action, r.person_id, r.group_id, $6
    FROM unnest($3::text[], $4::text[], $5::text[]) AS r(person_id, group_id, action)
    ON CONFLICT (district_id, target_id, action, person_id, group_id) DO UPDATE
        SET at = excluded.at
"""
# Rows: the accounts of one target. Those disabled within the budget still count: the population is
# what stood before anything was spent.
_POPULATION = """
    SELECT count(*) FROM directory_sync.account a
    WHERE a.district_id = $1 AND a.target_id = $2 AND (a.state = 'enabled' OR (
        a.state = 'disabled' AND EXISTS (
            SELECT 1 FROM directory_sync.spent s
            WHERE s.district_id = $1 AND s.target_id = $2 AND s.action = 'disable'
              AND s.person_id = a.person_id AND s.group_id = '' AND s.at > $3)))
"""
_GATHERING = f"""
    SELECT {PLAN_COLUMNS} FROM directory_sync.plan
    WHERE district_id = $1 AND target_id = $2 AND action IS NOT DISTINCT FROM $3
      AND state = 'open' AND approvals = '{{}}' AND grown_at >= $4 AND expires_at > $5
    ORDER BY created_at DESC LIMIT 1 FOR UPDATE
"""
_GET = f"""
    SELECT {PLAN_COLUMNS} FROM directory_sync.plan
    WHERE district_id = ANY($1::text[]) AND plan_id = $2 FOR UPDATE
"""
_OPEN = f"""
    SELECT {PLAN_COLUMNS} FROM directory_sync.plan
    WHERE district_id = $1 AND target_id = $2 AND state = 'open'
    ORDER BY created_at, plan_id FOR UPDATE
"""
_SAVE = """
    INSERT INTO directory_sync.plan
        (district_id, target_id, plan_id, kind, action, state, items_hash, counts, item_count,
         population, limit_count, limit_share, approvals, approvals_needed, correlation_id,
         created_at, grown_at, expires_at, ended_at, ended_by, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10, $11, $12, $13::text[], $14, $15,
            $16, $17, $18, $19, $20, $21)
    ON CONFLICT (district_id, target_id, plan_id) DO UPDATE SET
        state = excluded.state, items_hash = excluded.items_hash, counts = excluded.counts,
        item_count = excluded.item_count, population = excluded.population,
        limit_count = excluded.limit_count, approvals = excluded.approvals,
        approvals_needed = excluded.approvals_needed, grown_at = excluded.grown_at,
        expires_at = excluded.expires_at,
        ended_at = excluded.ended_at, ended_by = excluded.ended_by, reason = excluded.reason
"""
_ADD_ITEMS = """
    INSERT INTO directory_sync.plan_item
        (district_id, target_id, plan_id, person_id, group_id, action, reason, attributes,
         correlation_id, state)
    SELECT $1, $2, $3, r.person_id, r.group_id, r.action, r.reason,
           ARRAY(SELECT jsonb_array_elements_text(r.attributes::jsonb)), r.correlation_id, $10
    FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
        AS r(person_id, group_id, action, reason, attributes, correlation_id)
    ON CONFLICT (district_id, target_id, plan_id, person_id, group_id, action) DO UPDATE
        SET state = excluded.state, correlation_id = excluded.correlation_id
"""
_ITEMS = """
    SELECT person_id, group_id, action, correlation_id FROM directory_sync.plan_item
    WHERE district_id = $1 AND target_id = $2 AND plan_id = $3 AND state = $4
"""
_DROP_ITEMS = """
    DELETE FROM directory_sync.plan_item
    WHERE district_id = $1 AND target_id = $2 AND plan_id = $3
"""
_TURN = """
    UPDATE directory_sync.plan_item SET state = $5
    WHERE district_id = $1 AND target_id = $2 AND plan_id = $3 AND state = $4
    RETURNING person_id
"""
_LAPSE_REFUSED = """
    UPDATE directory_sync.plan_item SET state = 'lapsed'
    WHERE district_id = $1 AND target_id = $2 AND state = 'refused'
"""
_END = """
    UPDATE directory_sync.plan_item i SET state = $6
    FROM unnest($3::text[], $4::text[], $5::text[]) AS r(person_id, group_id, action)
    WHERE i.district_id = $1 AND i.target_id = $2 AND i.person_id = r.person_id
      AND i.group_id = r.group_id AND i.action = r.action
      AND i.state IN ('waiting', 'released', 'refused', 'lapsed')
    RETURNING i.plan_id
"""
_FORGET_SPENT = "DELETE FROM directory_sync.spent WHERE district_id = $1 AND at < $2"
_FORGET_STEPS = "DELETE FROM directory_sync.step WHERE district_id = $1 AND at < $2"
_FORGET_ITEMS = """
    DELETE FROM directory_sync.plan_item i USING directory_sync.plan p
    WHERE p.district_id = $1 AND p.ended_at < $2 AND i.district_id = p.district_id
      AND i.target_id = p.target_id AND i.plan_id = p.plan_id AND i.state IN ('done', 'gone')
"""


class PostgresPlans:
    """Plans, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def live(
        self, district_id: DistrictId, target_id: TargetId, people: Sequence[PersonId]
    ) -> Sequence[LiveItem]:
        """Held wishes about these people that are not at their end."""
        rows = await self._driver.fetch(_LIVE, district_id, target_id, list(people))
        return [
            LiveItem(
                key=_key(row),
                state=ItemState(row["state"]),
                plan_id=row["plan_id"],
                expires_at=row["expires_at"],
            )
            for row in rows
        ]

    async def asking(self, district_id: DistrictId, target_id: TargetId, action: str) -> bool:
        """Whether anything of this kind waits for a person."""
        return bool(await self._driver.fetchval(_ASKING, district_id, target_id, action))

    async def spent(
        self, district_id: DistrictId, target_id: TargetId, action: str, *, since: datetime
    ) -> int:
        """How many passed the guard of this kind since then."""
        return int(await self._driver.fetchval(_SPENT, district_id, target_id, action, since))

    async def passed(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        people: Sequence[PersonId],
        *,
        since: datetime,
    ) -> frozenset[Key]:
        """What of these people passed a guard since then."""
        rows = await self._driver.fetch(_PASSED, district_id, target_id, list(people), since)
        return frozenset(_key(row) for row in rows)

    async def spend(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        keys: Sequence[Key],
        *,
        now: datetime,
    ) -> None:
        """Note that these pass the guard."""
        await self._driver.execute(_SPEND, district_id, target_id, *_columns(keys), now)

    async def population(
        self, district_id: DistrictId, target_id: TargetId, *, since: datetime
    ) -> int:
        """Enabled accounts of the target, as they stood before the budget was spent."""
        return int(await self._driver.fetchval(_POPULATION, district_id, target_id, since))

    async def gathering(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        action: str | None,
        *,
        since: datetime,
        now: datetime,
    ) -> Plan | None:
        """The open plan of a kind that nobody approved and that grew since then, locked."""
        row = await self._driver.fetchrow(_GATHERING, district_id, target_id, action, since, now)
        return None if row is None else plan_of(row)

    async def get(self, districts: Sequence[str], plan_id: str) -> Plan | None:
        """The plan, locked; None when no such district has it."""
        row = await self._driver.fetchrow(_GET, list(districts), plan_id)
        return None if row is None else plan_of(row)

    async def open_ones(self, district_id: DistrictId, target_id: TargetId) -> Sequence[Plan]:
        """Every open plan of the target, oldest first, locked."""
        rows = await self._driver.fetch(_OPEN, district_id, target_id)
        return [plan_of(row) for row in rows]

    async def save(
        self,
        plan: Plan,
        *,
        ended_at: datetime | None = None,
        ended_by: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Store the plan as given, without its items."""
        decision = plan.decision
        await self._driver.execute(
            _SAVE,
            plan.district_id,
            plan.target_id,
            plan.plan_id,
            plan.kind,
            plan.action,
            decision.state,
            decision.items_hash,
            orjson.dumps(dict(plan.counts)).decode(),
            plan.count,
            plan.population,
            plan.limit,
            plan.limit_share,
            list(decision.approvals),
            decision.approvals_needed,
            plan.correlation_id,
            plan.created_at,
            plan.grown_at,
            decision.expires_at,
            ended_at,
            ended_by,
            reason,
        )

    async def add_items(self, plan: Plan, wishes: Sequence[Wish], *, state: ItemState) -> None:
        """Add items; none of them may be live in another plan."""
        await self._driver.execute(
            _ADD_ITEMS,
            plan.district_id,
            plan.target_id,
            plan.plan_id,
            *_columns([wish.key for wish in wishes]),
            [wish.reason for wish in wishes],
            [orjson.dumps(wish.attributes).decode() for wish in wishes],
            [wish.cause.correlation_id for wish in wishes],
            state.value,
        )

    async def items(self, plan: Plan, *, state: ItemState) -> Sequence[tuple[Key, str]]:
        """(key, correlation id) of the plan's items in this state."""
        rows = await self._driver.fetch(
            _ITEMS, plan.district_id, plan.target_id, plan.plan_id, state.value
        )
        return [(_key(row), str(row["correlation_id"])) for row in rows]

    async def drop_items(self, plan: Plan) -> None:
        """Take all items out, to plan afresh."""
        await self._driver.execute(_DROP_ITEMS, plan.district_id, plan.target_id, plan.plan_id)

    async def turn(self, plan: Plan, *, before: ItemState, after: ItemState) -> Sequence[PersonId]:
        """Move the plan's items from one state to another; returns whose they are."""
        rows = await self._driver.fetch(
            _TURN, plan.district_id, plan.target_id, plan.plan_id, before.value, after.value
        )
        return [PersonId(row["person_id"]) for row in rows]

    async def lapse_refused(self, district_id: DistrictId, target_id: TargetId) -> None:
        """After a new read of the whole target: what was refused is asked again."""
        await self._driver.execute(_LAPSE_REFUSED, district_id, target_id)

    async def end(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        keys: Sequence[Key],
        *,
        state: ItemState,
    ) -> frozenset[str]:
        """Bring live items to their end; returns the plans that held any."""
        rows = await self._driver.fetch(_END, district_id, target_id, *_columns(keys), state.value)
        return frozenset(str(row["plan_id"]) for row in rows)

    async def forget(
        self,
        district_id: DistrictId,
        *,
        spent_before: datetime,
        steps_before: datetime,
        plans_before: datetime,
    ) -> None:
        """Delete what is older than these."""
        await self._driver.execute(_FORGET_SPENT, district_id, spent_before)
        await self._driver.execute(_FORGET_STEPS, district_id, steps_before)
        await self._driver.execute(_FORGET_ITEMS, district_id, plans_before)


def plan_of(row: asyncpg.Record) -> Plan:
    """The plan in a row of `PLAN_COLUMNS`."""
    return Plan(
        district_id=row["district_id"],
        target_id=row["target_id"],
        plan_id=row["plan_id"],
        kind=row["kind"],
        action=row["action"],
        decision=Decision(
            state=row["state"],
            items_hash=row["items_hash"],
            expires_at=row["expires_at"],
            approvals=tuple(row["approvals"]),
            approvals_needed=row["approvals_needed"],
        ),
        counts=orjson.loads(row["counts"]),
        count=row["item_count"],
        population=row["population"],
        limit=row["limit_count"],
        limit_share=row["limit_share"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        grown_at=row["grown_at"],
    )


def _key(row: asyncpg.Record) -> Key:
    return Key(person_id=PersonId(row["person_id"]), group_id=row["group_id"], action=row["action"])


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[str], list[str]]:
    return (
        [key.person_id for key in keys],
        [key.group_id for key in keys],
        [key.action for key in keys],
    )
