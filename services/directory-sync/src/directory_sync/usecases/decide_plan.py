"""Decide a plan: an operator approves or rejects it, or its time runs out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from directory_sync.domain.fact import Cause, PlanFact, PlanStep
from directory_sync.domain.group import name_of
from directory_sync.domain.guard import WINDOW
from directory_sync.domain.plans import ItemState, Plan, group_of
from directory_sync.domain.policy import Policy
from directory_sync.ports import Unit, Units
from directory_sync.usecases.connect_target import release_connection
from roster_common.holds import Decision, Refused, approve, expire, reject
from roster_common.ports import Clock

# As sis-ingest says it of a hold.
EMPTIED: Final = "nothing_held"
_KEPT: Final = timedelta(days=30)
# As long as the log (ADR 0013).
_STEPS_KEPT: Final = timedelta(days=7)
_AFTER: Final[Mapping[PlanStep, ItemState]] = {
    PlanStep.APPROVED: ItemState.RELEASED,
    PlanStep.REJECTED: ItemState.REFUSED,
    PlanStep.EXPIRED: ItemState.EXPIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidePlan:
    """Keeps decisions; what they release is done by rounds, from marks of the same commit."""

    units: Units
    clock: Clock

    async def approve(self, plan: Plan, *, subject: str, items_hash: str) -> Plan | Refused:
        """The plan with this approval. Once approved, what is still wanted is done. Commits.

        `items_hash` is of what the approver saw. `Refused` says why the approval does not count.
        """
        now = self.clock.now()
        async with self.units.deciding() as unit:
            # Before the target is held: see `Targets.lock`. A mark too many changes nothing.
            await self._mark(unit, plan)
            current = await _locked(unit, plan)
            decision = approve(current.decision, subject=subject, items_hash=items_hash, now=now)
            if isinstance(decision, Refused):
                return decision
            if decision.state == "open":
                current = replace(current, decision=decision)
                await unit.plans.save(current)
                return current
            if current.kind == "first_connection":
                return await release_connection(unit, current, by=decision.approvals, now=now)
            return await end_plan(
                unit, current, decision, PlanStep.APPROVED, by=decision.approvals, now=now
            )

    async def reject(self, plan: Plan, *, subject: str, reason: str | None) -> Plan | Refused:
        """The plan, refused: all stays as it is while the same is wanted. Commits."""
        now = self.clock.now()
        async with self.units.begin() as unit:
            if plan.kind == "removals":
                await self._mark(unit, plan)
            current = await _locked(unit, plan)
            decision = reject(current.decision, now=now)
            if isinstance(decision, Refused):
                return decision
            current = replace(current, reason=reason)
            return await end_plan(
                unit, current, decision, PlanStep.REJECTED, by=(subject,), now=now
            )

    async def tidy(self, policies: Sequence[Policy]) -> None:
        """End plans whose time is over or in which nothing waits any more; forget what nobody asks
        for. Commits; may run twice.
        """
        now = self.clock.now()
        for district_id in sorted({p.district_id for p in policies}):
            async with self.units.begin() as unit:
                overdue = await unit.plans.overdue(district_id, now=now)
                emptied = await unit.plans.emptied(district_id)
                await unit.plans.forget(
                    district_id,
                    spent_before=now - WINDOW,
                    steps_before=now - _STEPS_KEPT,
                    ended_before=now - _KEPT,
                )
                await unit.accounts.bare_found(district_id)
            for plan in overdue:
                await self._expire(plan)
            for plan in emptied:
                await self._close(plan)

    async def _close(self, plan: Plan) -> None:
        """End a plan that lost all it held; it may have been filled or decided meanwhile."""
        async with self.units.begin() as unit:
            current = await _locked(unit, plan)
            if current.decision.state != "open" or await unit.plans.waiting(current):
                return
            decision = replace(current.decision, state="expired")
            current = replace(current, reason=EMPTIED)
            now = self.clock.now()
            await end_plan(unit, current, decision, PlanStep.EXPIRED, origin="schedule", now=now)

    async def _expire(self, plan: Plan) -> None:
        async with self.units.begin() as unit:
            current = await _locked(unit, plan)
            now = self.clock.now()
            decision = expire(current.decision, now=now)
            if decision == current.decision:
                return
            await end_plan(unit, current, decision, PlanStep.EXPIRED, origin="schedule", now=now)
            if current.kind == "first_connection":
                await unit.targets.read_afresh(current.district_id, current.target_id)

    async def _mark(self, unit: Unit, plan: Plan) -> None:
        now = self.clock.now()
        if plan.kind == "first_connection":
            await unit.marks.set_everyone(plan.district_id, plan.target_id, now=now)
            return
        items = await unit.plans.waiting(plan)
        if plan.kind == "removals":
            named = {name_of(group_of(action)): cause for (_, action), cause in items.items()}
            groups = {name: cause for name, cause in named.items() if name is not None}
            await unit.group_marks.set(plan.district_id, [plan.target_id], groups, now=now)
            return
        causes = {person_id: cause for (person_id, _), cause in items.items()}
        await unit.marks.set(plan.district_id, [plan.target_id], causes, now=now)


async def end_plan(
    unit: Unit,
    plan: Plan,
    decision: Decision,
    step: PlanStep,
    *,
    now: datetime,
    by: tuple[str, ...] = (),
    origin: str = "operator",
) -> Plan:
    """The plan, ended by `decision`, and told. Does not commit; the caller holds the target."""
    items = await unit.plans.waiting(plan)
    plan = replace(plan, decision=decision, ended_at=now)
    await unit.plans.save(plan)
    await unit.plans.turn(plan, state=_AFTER[step])
    touched = Counter(cause.correlation_id for cause in items.values())
    cause = Cause(correlation_id=plan.correlation_id, causation_id=None, origin=origin)
    unit.emit(PlanFact(step=step, plan=plan, by=by, touched=touched, cause=cause))
    return plan


async def _locked(unit: Unit, plan: Plan) -> Plan:
    """The plan as it stands, which nobody changes until the end of the transaction."""
    if plan.kind == "removals":
        await unit.targets.lock_removals(plan.district_id, plan.target_id)
    else:
        await unit.targets.lock(plan.district_id, plan.target_id)
    current = await unit.plans.get(plan.district_id, plan.target_id, plan.plan_id)
    return current or replace(plan, decision=replace(plan.decision, state="expired"))
