"""The guards of rounds: what may go without asking, and the plan that holds the rest.

The transaction belongs to the caller, who holds the target or its removals until its commit, so
that two rounds never spend one budget twice. What passes is written down before it leaves us.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from directory_sync.domain.fact import PlanFact, PlanStep
from directory_sync.domain.guard import DISABLES, WINDOW, Budget, Wish, judge, new_wishes
from directory_sync.domain.ids import PersonId
from directory_sync.domain.plans import (
    DISABLE,
    Item,
    ItemState,
    Plan,
    PlanKind,
    holding,
    open_plan,
)
from directory_sync.domain.policy import Policy
from directory_sync.ports import Unit
from directory_sync.usecases.planning import Planner
from directory_sync.usecases.results import Result
from roster_common.holds import Limit
from roster_common.ports import IdSource

# An open plan takes in more until nothing came for so long; what comes later is another plan.
GATHER: Final = timedelta(seconds=60)
# It gathers so long in all: else a drip would void every approval.
GATHER_LONGEST: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Who may not be touched, and whose action a person released; all others just go on."""

    held: frozenset[PersonId]
    refused: frozenset[PersonId]
    released: frozenset[PersonId]


class Guard:
    """One target's guard."""

    def __init__(self, *, policy: Policy, ids: IdSource) -> None:
        self._policy = policy
        self._hold = Holding(policy=policy, ids=ids)

    async def __call__(
        self, unit: Unit, planner: Planner, results: Sequence[Result], *, now: datetime
    ) -> Ruling:
        """Judge what a round wants. Does not commit."""
        district_id, target_id = self._policy.district_id, self._policy.target_id
        people = [r.claimed.person_id for r in results]
        wishes = [w for r in results if (w := planner.wish(r)) is not None]
        live = await unit.plans.stands(district_id, target_id, people)
        wanted = {w.item for w in wishes}
        gone = [item for item in live if item not in wanted]
        if gone:
            await unit.plans.end(district_id, target_id, gone)
        disables = [w for w in wishes if w.action == DISABLE]
        stands = {w.item: live[w.item] for w in disables if w.item in live}
        held = await self._judge(unit, planner, disables, stands, now=now) if disables else []
        return Ruling(
            held=_in(stands, ItemState.WAITING) | frozenset(held),
            refused=_in(stands, ItemState.REFUSED),
            released=frozenset(p for (p, _), s in live.items() if s is ItemState.RELEASED),
        )

    async def _judge(
        self,
        unit: Unit,
        planner: Planner,
        disables: Sequence[Wish],
        stands: Mapping[Item, ItemState],
        *,
        now: datetime,
    ) -> Sequence[PersonId]:
        """Let new disables pass, which costs budget, or hold them; returns who is held by it."""
        key = (self._policy.district_id, self._policy.target_id)
        since = now - WINDOW
        people = [w.person_id for w in disables]
        passed = await unit.plans.passed(*key, people, since=since)
        done = frozenset((person_id, DISABLE) for person_id in passed)
        new = new_wishes(disables, stands=stands, passed=done)
        if not new:
            return []
        budget = await unit.plans.budget(*key, since=since)
        backlog = await planner.leaving(unit, passed_since=since)
        verdict = judge(new, backlog=backlog, stands=stands, budget=budget, limit=DISABLES)
        if verdict.spend:
            await unit.plans.spend(*key, [w.person_id for w in verdict.spend], now=now)
        if not verdict.hold:
            return []
        await self._hold(unit, "guard", DISABLES, verdict.hold, budget, now=now)
        return [w.person_id for w in new]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """How one target's wishes come to wait, whatever they are."""

    policy: Policy
    ids: IdSource

    async def __call__(
        self,
        unit: Unit,
        kind: PlanKind,
        limit: Limit,
        wishes: Sequence[Wish],
        budget: Budget,
        *,
        now: datetime,
    ) -> None:
        """Put wishes into the plan of a kind that gathers, or into a new one, and tell.

        What expired in an earlier plan leaves it. Does not commit.
        """
        policy = self.policy
        await unit.plans.end(policy.district_id, policy.target_id, [w.item for w in wishes])
        plan = await unit.plans.latest(policy.district_id, policy.target_id, kind)
        if plan is None or not _gathers(plan, now):
            plan = open_plan(
                district_id=policy.district_id,
                target_id=policy.target_id,
                plan_id=self.ids.new_id(),
                kind=kind,
                correlation_id=wishes[0].cause.correlation_id,
                now=now,
            )
        items = (await unit.plans.waiting(plan)).keys() | {w.item for w in wishes}
        plan = replace(
            holding(plan, items, population=budget.population, now=now),
            limit=limit.allowance(budget.population),
            limit_share=limit.share,
        )
        await unit.plans.save(plan)
        await unit.plans.add(plan, wishes)
        unit.emit(held_fact(plan, wishes))


def held_fact(plan: Plan, wishes: Sequence[Wish]) -> PlanFact:
    """What others hear of a plan that holds `wishes`, at least one, since now."""
    return PlanFact(
        step=PlanStep.HELD,
        plan=plan,
        by=(),
        touched=Counter(w.cause.correlation_id for w in wishes),
        cause=wishes[0].cause,
    )


def _gathers(plan: Plan, now: datetime) -> bool:
    open_still = plan.decision.state == "open" and now < plan.decision.expires_at
    young = now - plan.created_at <= GATHER_LONGEST
    return open_still and young and now - plan.grown_at <= GATHER


def _in(stands: Mapping[Item, ItemState], state: ItemState) -> frozenset[PersonId]:
    return frozenset(p for (p, _), one in stands.items() if one is state)
