"""First connection: read the whole target once, plan, and wait for a person unless told to go on.

Until the target is live nothing is changed there; until it was read no account is planned, because
one that exists would be made twice. While the plan waits it follows the roster: what is wanted anew
changes its hash. Source: ADR 0012.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from directory_sync.domain.account import ActualAccount
from directory_sync.domain.fact import Cause, PlanFact, PlanStep
from directory_sync.domain.guard import Wish
from directory_sync.domain.ids import PersonId
from directory_sync.domain.plans import ItemState, Plan, counts_of, holding, open_plan
from directory_sync.domain.target_state import TargetState
from directory_sync.ports import Target, Unit, Units, Wiring
from directory_sync.usecases.planning import Planner
from roster_common.errors import Retriable
from roster_common.ports import Clock, IdSource

_CHUNK: Final = 500


class TargetReadIncomplete(Retriable):
    """The target listed fewer accounts than it says it has; nothing may be concluded from it."""


class Connected(StrEnum):
    """How far a target is: rounds may run only when it is live."""

    LIVE = "live"
    PLANNED = "planned"
    WAITING = "waiting"


class _Overtaken(Exception):
    """Somebody decided or planned while we planned: undo, and look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sight:
    """What a plan is made from: where the target stands, its last plan, and the marks by then."""

    state: TargetState | None
    plan: Plan | None
    marks: Sequence[tuple[PersonId, int]]

    def is_answered(self) -> bool:
        """Whether the last plan answers the last reading: open and up to date, or refused."""
        if self.state is None or self.plan is None:
            return False
        if self.plan.grown_at < self.state.first_read_at:
            return False
        return self.plan.decision.state != "open" or not self.marks


async def whole(target: Target) -> AsyncIterator[Sequence[ActualAccount]]:
    """Every account of a target, page by page. Raises Retriable when the list was cut.

    An account that is listed twice, because the list moved under its pages, hides another.
    """
    total, seen = 0, set[str]()
    async for page in target.read_all():
        total = page.total
        seen.update(account.account_id for account in page.accounts)
        yield page.accounts
    if len(seen) < total:
        raise TargetReadIncomplete(f"read {len(seen)} of {total}")


class ConnectTarget:
    """Brings one target from unknown to live."""

    def __init__(self, *, units: Units, wiring: Wiring, clock: Clock, ids: IdSource) -> None:
        self._units = units
        self._wiring = wiring
        self._key = (wiring.policy.district_id, wiring.policy.target_id)
        self._clock = clock
        self._ids = ids
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self) -> Connected:
        """One step: read, or plan, or see that there is nothing to do.

        Commits page by page; a crash half-way starts again and writes the same rows. Workers of
        one process wait for one another. Raises Retriable when the target is not ready.
        """
        async with self._one_at_a_time:
            sight = await self._look()
            if sight.state is None:
                await self._read(began_at=self._clock.now())
                sight = await self._look()
            if sight.state is not None and sight.state.live_at is not None:
                return Connected.LIVE
            if sight.is_answered() and not self._wiring.policy.starts_live:
                return Connected.WAITING
            now = self._clock.now()
            async with self._units.begin() as unit:
                wishes = await Planner(wiring=self._wiring, now=now).everyone(unit)
            try:
                return await self._keep(sight, wishes, now=now)
            except _Overtaken:
                return Connected.WAITING

    async def _look(self) -> _Sight:
        async with self._units.begin() as unit:
            plan = await unit.plans.latest(*self._key, "first_connection")
            refused = plan is not None and plan.decision.state == "rejected"
            return _Sight(
                state=await unit.targets.state(*self._key),
                plan=plan,
                marks=() if refused else await unit.marks.standing(*self._key),
            )

    async def _read(self, *, began_at: datetime) -> None:
        """Keep what stands there, and forget what an earlier reading saw and this one did not.

        Another process may have read it first: then this reading ends, because accounts that were
        linked meanwhile must not be found again.
        """
        read = 0
        async for accounts in whole(self._wiring.target):
            read += len(accounts)
            async with self._units.begin() as unit:
                await unit.targets.lock(*self._key)
                if await unit.targets.state(*self._key) is not None:
                    return
                await unit.accounts.keep_found(*self._key, accounts, now=self._clock.now())
        async with self._units.begin() as unit:
            await unit.targets.lock(*self._key)
            if await unit.targets.state(*self._key) is not None:
                return
            now = self._clock.now()
            await unit.accounts.forget_found(*self._key, before=began_at)
            await unit.targets.note_first_read(*self._key, accounts=read, now=now)

    async def _keep(self, sight: _Sight, wishes: Sequence[Wish], *, now: datetime) -> Connected:
        """Keep what was planned, unless somebody was quicker. Marks that are in it are done."""
        starts_live = self._wiring.policy.starts_live
        async with self._units.begin() as unit:
            # Marks first, then the target: see `Targets.lock`.
            if starts_live:
                await unit.marks.set_everyone(*self._key, now=now)
            else:
                for start in range(0, len(sight.marks), _CHUNK):
                    done = dict(sight.marks[start : start + _CHUNK])
                    await unit.marks.finish(*self._key, done, now=now)
            await unit.targets.lock(*self._key)
            state = await unit.targets.state(*self._key)
            plan = await unit.plans.latest(*self._key, "first_connection")
            if state is None or (state, plan) != (sight.state, sight.plan):
                raise _Overtaken
            if plan is None or plan.decision.state != "open":
                plan = open_plan(
                    district_id=self._wiring.policy.district_id,
                    target_id=self._wiring.policy.target_id,
                    plan_id=self._ids.new_id(),
                    kind="first_connection",
                    correlation_id=self._ids.new_id(),
                    now=now,
                )
            plan = await self._hold(unit, plan, wishes, population=state.accounts, now=now)
            if starts_live:
                await release_connection(unit, plan, by=(), now=now)
                return Connected.LIVE
            return Connected.PLANNED

    async def _hold(
        self, unit: Unit, plan: Plan, wishes: Sequence[Wish], *, population: int, now: datetime
    ) -> Plan:
        """The open plan holding exactly `wishes`; items that left change its counts, no hash."""
        before = await unit.plans.waiting(plan)
        wanted = {w.item for w in wishes}
        grown = [w for w in wishes if w.item not in before]
        if grown or not before:
            plan = holding(plan, wanted, population=population, now=now)
        plan = replace(plan, grown_at=now, counts=counts_of(action for _, action in wanted))
        await unit.plans.end(*self._key, before.keys() ^ wanted)
        await unit.plans.save(plan)
        await unit.plans.add(plan, grown)
        if grown and not self._wiring.policy.starts_live:
            unit.emit(plan_fact(plan, PlanStep.HELD, origin="schedule"))
        return plan


async def release_connection(unit: Unit, plan: Plan, *, by: tuple[str, ...], now: datetime) -> Plan:
    """Approve a first connection: its items are released and the target is live. Does not commit.

    The caller marked everyone before and holds the target.
    """
    decision = replace(plan.decision, state="approved", approvals=by)
    plan = replace(plan, decision=decision, ended_at=now)
    await unit.plans.save(plan)
    await unit.plans.turn(plan, state=ItemState.RELEASED)
    await unit.targets.go_live(plan.district_id, plan.target_id, now=now)
    unit.emit(plan_fact(plan, PlanStep.APPROVED, by=by, origin="operator"))
    return plan


def plan_fact(plan: Plan, step: PlanStep, *, origin: str, by: tuple[str, ...] = ()) -> PlanFact:
    """What others hear of a plan as a whole; it goes back to the delivery that opened it."""
    cause = Cause(correlation_id=plan.correlation_id, causation_id=None, origin=origin)
    return PlanFact(
        step=step, plan=plan, by=by, touched={plan.correlation_id: plan.count}, cause=cause
    )
