"""Reads for operators' pages, from the read pool; nothing here writes."""

from collections.abc import Sequence

import asyncpg

from directory_sync.adapters.postgres.claimed import record_of
from directory_sync.adapters.postgres.plans import OF_ACCOUNT
from directory_sync.adapters.postgres.stored import load_person
from directory_sync.adapters.postgres.targets import STATE, state_of
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.plans import ItemState
from directory_sync.domain.target_state import TargetState
from directory_sync.domain.view import AccountRow, HeldBy, TargetCounts, Waiting
from roster_common.runtime.database import Database

_TIMEOUT_S = 10.0

# Rows: targets of the district; primary keys, and index plan_item_live.
_ACCOUNTS = f"""
    SELECT p.person_id, t.district_id, t.target_id, p.state::text AS state,
           coalesce(a.correlation_id, p.correlation_id) AS correlation_id,
           a.person_id IS NOT NULL AS known, a.username, a.email, a.username_source, a.asked_at,
           a.observed::text AS observed, a.unheeded::text AS unheeded, a.confirmed_at,
           a.named_at IS NOT NULL AS named,
           a.last_error_code, a.last_error_at,
           d.since, d.attempts, d.next_attempt_at, d.last_error_code AS mark_error_code,
           i.plan_id, i.state AS item_state
    FROM unnest($1::text[], $2::text[]) AS t(district_id, target_id)
    JOIN directory_sync.person p ON p.district_id = t.district_id AND p.person_id = $3
    LEFT JOIN directory_sync.account a ON a.district_id = t.district_id
        AND a.target_id = t.target_id AND a.person_id = p.person_id
    LEFT JOIN directory_sync.dirty d ON d.district_id = t.district_id
        AND d.target_id = t.target_id AND d.person_id = p.person_id
    LEFT JOIN LATERAL (SELECT plan_id, state FROM directory_sync.plan_item
        WHERE district_id = t.district_id AND target_id = t.target_id AND person_id = p.person_id
          AND state IN ('waiting', 'released', 'refused', 'expired') AND {OF_ACCOUNT}
        ORDER BY plan_id DESC LIMIT 1) AS i ON true
    ORDER BY t.district_id, t.target_id
"""
_STATES = """
    SELECT state, count(*) AS n FROM directory_sync.account
    WHERE district_id = $1 AND target_id = $2 GROUP BY state ORDER BY state
"""
_WAITING = """
    SELECT last_error_code AS code, count(*) AS n, min(since) AS since FROM directory_sync.dirty
    WHERE district_id = $1 AND target_id = $2 GROUP BY last_error_code
"""
_OPEN_PLANS = """
    SELECT count(*) FROM directory_sync.plan
    WHERE district_id = $1 AND target_id = $2 AND state = 'open'
"""


class PostgresViews:
    """Pages over the read pool; each statement is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accounts_of(
        self, person_id: PersonId, targets: Sequence[tuple[DistrictId, TargetId]]
    ) -> Sequence[AccountRow]:
        """One row per target of a district that knows the person."""
        pool = await self._database.pool()
        rows = await pool.fetch(
            _ACCOUNTS,
            [district_id for district_id, _ in targets],
            [target_id for _, target_id in targets],
            person_id,
            timeout=_TIMEOUT_S,
        )
        return [_row(row) for row in rows]

    async def counts(
        self, targets: Sequence[tuple[DistrictId, TargetId]]
    ) -> Sequence[TargetCounts]:
        """One entry per target, in the given order."""
        return [await self._count(district_id, target_id) for district_id, target_id in targets]

    async def standing(
        self, district_id: DistrictId, target_id: TargetId
    ) -> tuple[TargetState | None, int]:
        """Where a target stands, and how many plans wait there; cheap."""
        pool = await self._database.pool()
        row = await pool.fetchrow(STATE, district_id, target_id, timeout=_TIMEOUT_S)
        waiting = await pool.fetchval(_OPEN_PLANS, district_id, target_id, timeout=_TIMEOUT_S)
        return None if row is None else state_of(row), int(waiting)

    async def _count(self, district_id: DistrictId, target_id: TargetId) -> TargetCounts:
        pool = await self._database.pool()
        key = (district_id, target_id)
        states = await pool.fetch(_STATES, *key, timeout=_TIMEOUT_S)
        waiting = await pool.fetch(_WAITING, *key, timeout=_TIMEOUT_S)
        state, open_plans = await self.standing(*key)
        return TargetCounts(
            district_id=district_id,
            target_id=target_id,
            state=state,
            open_plans=open_plans,
            accounts={row["state"]: row["n"] for row in states},
            waiting=sum(row["n"] for row in waiting),
            oldest_waiting_since=min((row["since"] for row in waiting), default=None),
            failing={row["code"]: row["n"] for row in waiting if row["code"] is not None},
        )


def _row(row: asyncpg.Record) -> AccountRow:
    waiting = None
    if row["since"] is not None:
        waiting = Waiting(
            since=row["since"],
            attempts=row["attempts"],
            next_attempt_at=row["next_attempt_at"],
            error_code=row["mark_error_code"],
        )
    held = None
    if row["plan_id"] is not None:
        held = HeldBy(plan_id=row["plan_id"], state=ItemState(row["item_state"]))
    return AccountRow(
        district_id=row["district_id"],
        target_id=row["target_id"],
        person=None if row["state"] is None else load_person(row["state"]),
        record=record_of(row),
        confirmed_at=row["confirmed_at"],
        correlation_id=row["correlation_id"],
        error_code=row["last_error_code"],
        error_at=row["last_error_at"],
        waiting=waiting,
        held=held,
    )
