"""First connection: read the whole target once, plan, and wait for a person unless told to go on.

Until the target is live nothing is changed there; until it was read no account is planned, because
one that exists would be made twice. While the plan waits it follows the roster: what is wanted anew
changes its hash. Source: ADR 0012.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from directory_sync.domain.account import ActualAccount
from directory_sync.domain.fact import Cause, PlanFact, PlanStep
from directory_sync.domain.guard import Wish
from directory_sync.domain.plans import ItemState, Plan, holding, open_plan
from directory_sync.domain.target_state import TargetState
from directory_sync.ports import Target, Unit, Units, Wiring
from directory_sync.usecases.planning import Planner
from roster_common.errors import Retriable
from roster_common.ports import Clock, IdSource


class TargetReadIncomplete(Retriable):
    """The target listed fewer accounts than it says it has; nothing may be concluded from it."""


class Connected(StrEnum):
    """How far a target is: rounds may run only when it is live."""

    LIVE = "live"
    PLANNED = "planned"
    WAITING = "waiting"


class _LiveMeanwhile(Exception):
    """Somebody approved while we dropped marks, which must not be lost: undo."""


async def whole(target: Target) -> AsyncIterator[Sequence[ActualAccount]]:
    """Every account of a target, page by page. Raises Retriable when the list was cut."""
    read = total = 0
    async for page in target.read_all():
        total = page.total
        read += len(page.accounts)
        yield page.accounts
    if read < total:
        raise TargetReadIncomplete(f"read {read} of {total}")


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
            async with self._units.begin() as unit:
                state = await unit.targets.state(*self._key)
            if state is None:
                await self._read()
            elif state.live_at is not None:
                return Connected.LIVE
            try:
                async with self._units.begin() as unit:
                    return await self._plan(unit)
            except _LiveMeanwhile:
                return Connected.LIVE

    async def _read(self) -> None:
        read = 0
        async for accounts in whole(self._wiring.target):
            read += len(accounts)
            async with self._units.begin() as unit:
                await unit.accounts.keep_found(*self._key, accounts, now=self._clock.now())
        async with self._units.begin() as unit:
            now = self._clock.now()
            await unit.targets.note_first_read(*self._key, accounts=read, now=now)

    async def _plan(self, unit: Unit) -> Connected:
        now = self._clock.now()
        starts_live = self._wiring.policy.starts_live
        # Marks first, then the target: see `Targets.lock`. What was marked is in the plan below.
        if starts_live:
            await unit.marks.set_everyone(*self._key, now=now)
            changed = True
        else:
            changed = await unit.marks.drop_all(*self._key) > 0
        await unit.targets.lock(*self._key)
        state = await unit.targets.state(*self._key)
        if state is None:
            return Connected.WAITING
        if state.live_at is not None:
            raise _LiveMeanwhile
        plan = await unit.plans.latest(*self._key, "first_connection")
        if plan is not None and _stands(plan, state, changed=changed):
            return Connected.WAITING
        if plan is None or plan.decision.state != "open":
            plan = open_plan(
                district_id=self._wiring.policy.district_id,
                target_id=self._wiring.policy.target_id,
                plan_id=self._ids.new_id(),
                kind="first_connection",
                correlation_id=self._ids.new_id(),
                now=now,
            )
        wishes = await Planner(wiring=self._wiring, now=now).everyone(unit)
        plan = await self._hold(unit, plan, wishes, population=state.accounts, now=now)
        if starts_live:
            await release_connection(unit, plan, by=(), now=now)
            return Connected.LIVE
        return Connected.PLANNED

    async def _hold(
        self, unit: Unit, plan: Plan, wishes: Sequence[Wish], *, population: int, now: datetime
    ) -> Plan:
        """The open plan holding exactly `wishes`; items that left change no hash."""
        before = await unit.plans.waiting(plan)
        wanted = {w.item for w in wishes}
        grown = [w for w in wishes if w.item not in before]
        if grown or not before:
            plan = holding(plan, wanted, population=population, now=now)
        plan = replace(plan, grown_at=now)
        await unit.plans.save(plan)
        await unit.plans.end(*self._key, before.keys() - wanted)
        await unit.plans.end(*self._key, wanted - before.keys())
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


def _stands(plan: Plan, state: TargetState, *, changed: bool) -> bool:
    """Whether the last plan answers the last reading: open and up to date, or refused."""
    if plan.grown_at < state.first_read_at:
        return False
    return not changed if plan.decision.state == "open" else True
