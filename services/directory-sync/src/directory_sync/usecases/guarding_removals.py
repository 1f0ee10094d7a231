"""The guard of a round for groups: which members may be removed without asking.

The transaction belongs to the caller. What passes is written down before it leaves us, what does
not enters a plan, which remembers it. Source: blueprint invariant 4, ADR 0012.
"""

from collections.abc import Sequence
from datetime import datetime

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupKey, GroupName
from directory_sync.domain.guard import REMOVALS, WINDOW, Wish, judge, new_wishes
from directory_sync.domain.membership import MemberChange
from directory_sync.domain.plans import Item, ItemState, group_of
from directory_sync.domain.policy import Policy
from directory_sync.ports import Unit
from directory_sync.usecases.guarding import Holding
from roster_common.ports import IdSource


class RemovalGuard:
    """One target's guard of memberships."""

    def __init__(self, *, policy: Policy, ids: IdSource) -> None:
        self._key = (policy.district_id, policy.target_id)
        self._hold = Holding(policy=policy, ids=ids)

    async def __call__(
        self,
        unit: Unit,
        removals: Sequence[tuple[MemberChange, GroupName, Cause]],
        *,
        looked_at: Sequence[GroupName],
        put_off: frozenset[Item],
        ask: frozenset[GroupKey],
        now: datetime,
    ) -> tuple[frozenset[Item], frozenset[Item]]:
        """The removals that wait for a person, and those that one refused; the others may go.

        `looked_at` are the groups whose every removal is in `removals` or, wanted but not yet its
        turn, in `put_off`: what a plan holds of them besides is no longer wanted. Removals from the
        groups of `ask` wait however few they are. Does not commit.
        """
        await unit.targets.lock_removals(*self._key)
        live = await unit.plans.stands_in(*self._key, [name.key for name in looked_at])
        wishes = [_wish(*removal) for removal in removals]
        wanted = {w.item for w in wishes}
        gone = live.keys() - wanted - put_off
        if gone:
            await unit.plans.end(*self._key, gone)
        stands = {item: state for item, state in live.items() if item in wanted}
        since = now - WINDOW
        passed = await unit.groups.passed(*self._key, [r for r, _, _ in removals], since=since)
        held = {item for item, state in stands.items() if state is ItemState.WAITING}
        new = new_wishes(wishes, stands=stands, passed=passed)
        if new:
            budget = await unit.groups.budget(*self._key, since=since)
            verdict = judge(
                new,
                backlog=(),
                stands=stands,
                budget=budget,
                limit=REMOVALS,
                ask=any(group_of(wish.action) in ask for wish in new),
            )
            going = {w.item for w in verdict.spend}
            spend = [change for change, _, _ in removals if change.item in going]
            await unit.groups.spend(*self._key, spend, now=now)
            if verdict.hold:
                await self._hold(unit, "removals", REMOVALS, verdict.hold, budget, now=now)
                held |= {w.item for w in verdict.hold}
        refused = {item for item, state in stands.items() if state is ItemState.REFUSED}
        return frozenset(held), frozenset(refused)


def _wish(change: MemberChange, name: GroupName, cause: Cause) -> Wish:
    person_id, action = change.item
    return Wish(
        person_id=person_id, action=action, reason=name.kind.reason, attributes=(), cause=cause
    )
