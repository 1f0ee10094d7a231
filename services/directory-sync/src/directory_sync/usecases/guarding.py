"""The guard of a round: what may be done without asking, and the plans that hold the rest.

The transaction belongs to the caller, who keeps other planners of the target out until its commit:
two rounds must not spend one budget twice. What passes is written down before it leaves us.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from directory_sync.domain.fact import Cause, PlanFact, PlanStep
from directory_sync.domain.guard import (
    CREATE,
    DISABLE,
    LIMITS,
    Budget,
    ItemState,
    Key,
    LiveItem,
    Wish,
    is_counted,
    may_pass,
)
from directory_sync.domain.ids import PersonId
from directory_sync.domain.plans import Plan, counts_of
from directory_sync.domain.policy import Policy
from directory_sync.domain.work import LookAt
from directory_sync.ports import Unit
from directory_sync.usecases.planning import Planner, Result
from roster_common.holds import APPROVAL_TIME, Decision, approvals_needed, hash_items
from roster_common.ports import IdSource

WINDOW: Final = timedelta(hours=24)
# A plan past its time is ended by a job; until then its marks need not come again at once.
_SOON: Final = timedelta(seconds=30)
_BACKLOG: Final[Mapping[str, LookAt]] = {
    DISABLE: LookAt.MAY_DISABLE,
    CREATE: LookAt.MAY_CREATE,
}

Backlog = Callable[[], Awaitable[Sequence[Wish]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Who is held (until when to look again) and who was refused; all others may go on."""

    held: Mapping[PersonId, datetime]
    refused: Collection[PersonId]


class Guard:
    """One target's guard. `gather_s`: an open plan takes in more until nothing came for so long."""

    def __init__(self, *, policy: Policy, ids: IdSource, gather_s: float) -> None:
        self._policy = policy
        self._ids = ids
        self._gather = timedelta(seconds=gather_s)

    async def __call__(
        self, unit: Unit, planner: Planner, results: Sequence[Result], *, now: datetime
    ) -> Verdicts:
        """Judge what a round wants for accounts. Does not commit."""
        wishes = [w for r in results if (w := planner.wish(r)) is not None and is_guarded(w)]
        people = [r.claimed.person_id for r in results]
        held: dict[PersonId, datetime] = {}
        live = await self._live(unit, people, wishes)
        for kind in (DISABLE, CREATE):

            async def backlog(kind: str = kind) -> Sequence[Wish]:
                look = Planner(wiring=planner.wiring, now=now)
                found = await look.look(unit, _BACKLOG[kind], since=now - WINDOW)
                wanted = [w for r in found if (w := look.wish(r)) is not None]
                return [w for w in wanted if w.key.action == kind]

            of_kind = [w for w in wishes if w.key.action == kind]
            held |= await self.judge(unit, kind, of_kind, live=live, backlog=backlog, now=now)
        refused = [key.person_id for key, item in live.items() if item.state is ItemState.REFUSED]
        return Verdicts(held=held, refused=frozenset(refused))

    async def judge(
        self,
        unit: Unit,
        kind: str,
        wishes: Sequence[Wish],
        *,
        live: Mapping[Key, LiveItem],
        backlog: Backlog,
        now: datetime,
        population: int | None = None,
    ) -> Mapping[PersonId, datetime]:
        """Who of `wishes`, all of one kind, is held, and until when. Does not commit.

        `backlog` gives all wishes of the kind that are known of, these among them, without those
        that are held or passed: a decision on a part would let a mass through in pieces.
        `population` None: the target's enabled accounts.
        """
        policy = self._policy
        district_id, target_id = policy.district_id, policy.target_id
        held = {
            w.key.person_id: max(live[w.key].expires_at, now + _SOON)
            for w in wishes
            if w.key in live and live[w.key].state is ItemState.WAITING
        }
        lapsed = [w for w in wishes if w.key in live and live[w.key].state is ItemState.LAPSED]
        fresh = [w for w in wishes if w.key not in live and is_counted(w)]
        passed = await unit.plans.passed(
            district_id, target_id, [w.key.person_id for w in fresh], since=now - WINDOW
        )
        fresh = [w for w in fresh if w.key not in passed]
        if not fresh and not lapsed:
            return held
        wanted = {w.key: w for w in fresh}
        if fresh:
            wanted |= {w.key: w for w in await backlog()}
        budget = await self._budget(unit, kind, population, now=now)
        asking = bool(lapsed) or await unit.plans.asking(district_id, target_id, kind)
        if may_pass(budget, wanted=len(wanted), asking=asking):
            await unit.plans.spend(district_id, target_id, [w.key for w in fresh], now=now)
            return held
        await unit.plans.end(district_id, target_id, [w.key for w in lapsed], state=ItemState.GONE)
        plan = await self._hold(unit, kind, [*lapsed, *wanted.values()], budget, now=now)
        until = plan.decision.expires_at
        return held | {w.key.person_id: until for w in (*lapsed, *fresh)}

    async def _live(
        self, unit: Unit, people: Sequence[PersonId], wishes: Sequence[Wish]
    ) -> Mapping[Key, LiveItem]:
        """Held wishes of these people that still are wished; others leave their plans."""
        district_id, target_id = self._policy.district_id, self._policy.target_id
        items = await unit.plans.live(district_id, target_id, people)
        wished = {w.key for w in wishes}
        mine = [i for i in items if i.key.action in (DISABLE, CREATE) and not i.key.group_id]
        gone = [i.key for i in mine if i.key not in wished]
        if gone:
            await unit.plans.end(district_id, target_id, gone, state=ItemState.GONE)
        return {i.key: i for i in mine if i.key in wished}

    async def _budget(
        self, unit: Unit, kind: str, population: int | None, *, now: datetime
    ) -> Budget:
        key = (self._policy.district_id, self._policy.target_id)
        since = now - WINDOW
        if population is None:
            population = await unit.plans.population(*key, since=since)
        spent = await unit.plans.spent(*key, kind, since=since)
        return Budget(limit=LIMITS[kind], spent=spent, population=population)

    async def _hold(
        self, unit: Unit, kind: str, wishes: Sequence[Wish], budget: Budget, *, now: datetime
    ) -> Plan:
        """Put wishes into the plan that gathers, or into a new one, and tell."""
        policy = self._policy
        plan = await unit.plans.gathering(
            policy.district_id, policy.target_id, kind, since=now - self._gather, now=now
        )
        plan = plan or new_plan(
            policy,
            plan_id=self._ids.new_id(),
            action=kind,
            limit=budget.limit.allowance(budget.population),
            limit_share=budget.limit.share,
            cause=wishes[0].cause,
            now=now,
        )
        before = await unit.plans.items(plan, state=ItemState.WAITING)
        keys = {key for key, _ in before} | {w.key for w in wishes}
        plan = sized(plan, keys, population=budget.population, counts={kind: len(keys)}, now=now)
        await unit.plans.save(plan)
        await unit.plans.add_items(plan, wishes, state=ItemState.WAITING)
        unit.emit(plan_fact(plan, PlanStep.HELD, touched=wishes, cause=wishes[0].cause))
        return plan


def is_guarded(wish: Wish) -> bool:
    """Whether the kind of this wish has a limit at all."""
    return wish.key.action in LIMITS


def new_plan(
    policy: Policy,
    *,
    plan_id: str,
    action: str | None,
    limit: int | None,
    limit_share: float | None,
    cause: Cause,
    now: datetime,
) -> Plan:
    """An empty open plan; `action` None for a first connection."""
    return Plan(
        district_id=policy.district_id,
        target_id=policy.target_id,
        plan_id=plan_id,
        kind="first_connection" if action is None else "guard",
        action=action,
        decision=Decision(state="open", items_hash="", expires_at=now + APPROVAL_TIME),
        counts={},
        count=0,
        population=0,
        limit=limit,
        limit_share=limit_share,
        correlation_id=cause.correlation_id,
        created_at=now,
        grown_at=now,
    )


def sized(
    plan: Plan,
    keys: Collection[Key],
    *,
    population: int,
    counts: Mapping[str, int],
    now: datetime,
) -> Plan:
    """The plan holding exactly these: another hash, so approvals of the old one are void."""
    decision = replace(
        plan.decision,
        items_hash=hash_items(key.pair() for key in keys),
        approvals=(),
        approvals_needed=approvals_needed(held=len(keys), population=population),
    )
    return replace(
        plan,
        decision=decision,
        counts={**counts_of(()), **counts},
        count=len(keys),
        population=population,
        grown_at=now,
    )


def plan_fact(
    plan: Plan,
    step: PlanStep,
    *,
    touched: Sequence[Wish] | Mapping[str, int],
    cause: Cause,
    by: tuple[str, ...] = (),
    reason: str | None = None,
) -> PlanFact:
    """What others hear of a plan, and the trace of each correlation id in it."""
    if not isinstance(touched, Mapping):
        ids = Counter(wish.cause.correlation_id for wish in touched)
        touched = dict(ids)
    return PlanFact(
        step=step,
        district_id=plan.district_id,
        target_id=plan.target_id,
        plan_id=plan.plan_id,
        action=plan.action,
        count=plan.count,
        population=plan.population,
        percent=plan.percent,
        limit=plan.limit,
        limit_share=plan.limit_share,
        items_hash=plan.decision.items_hash,
        by=by,
        reason=reason,
        touched=touched,
        cause=cause,
    )
