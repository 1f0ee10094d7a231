"""What operators see of plans: those that stand, and what would be done now. Writes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from directory_sync.domain.guard import Wish
from directory_sync.domain.ids import DistrictId, TargetId
from directory_sync.domain.plans import Plan, ShownPlan
from directory_sync.ports import Units, Wiring
from directory_sync.ports.plans import PlanViews
from directory_sync.usecases.planning import Planner
from roster_common.ports import Clock

MaySee = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowPlans:
    """Reads only; shows nothing of a district that `may_see` refuses."""

    units: Units
    views: PlanViews
    wirings: Sequence[Wiring]
    clock: Clock

    async def page(
        self, *, may_see: MaySee, target: str | None, state: str | None, limit: int, offset: int
    ) -> tuple[int, Sequence[ShownPlan]]:
        """How many plans there are, and a page of them, newest first."""
        return await self.views.page(
            self._targets(may_see, target), state=state, limit=limit, offset=offset
        )

    async def one(
        self, plan_id: str, *, may_see: MaySee, limit: int, offset: int
    ) -> ShownPlan | None:
        """One plan with a page of its items; None when no district that may be seen has it."""
        return await self.views.one(
            self._targets(may_see, None), plan_id, limit=limit, offset=offset
        )

    async def find(self, plan_id: str, *, may_see: MaySee) -> Plan | None:
        """One plan without items."""
        shown = await self.one(plan_id, may_see=may_see, limit=0, offset=0)
        return None if shown is None else shown.plan

    async def preview(
        self, district: str, target: str, *, may_see: MaySee
    ) -> Sequence[Wish] | None:
        """What is wanted now for everybody in one target; None when it was never read, or is not
        to be seen.
        """
        for wiring in self.wirings:
            key = (wiring.policy.district_id, wiring.policy.target_id)
            if key == (district, target) and may_see(district):
                async with self.units.begin() as unit:
                    if await unit.targets.state(*key) is None:
                        return None
                    return await Planner(wiring=wiring, now=self.clock.now()).everyone(unit)
        return None

    def _targets(self, may_see: MaySee, target: str | None) -> list[tuple[DistrictId, TargetId]]:
        return [
            (w.policy.district_id, w.policy.target_id)
            for w in self.wirings
            if may_see(w.policy.district_id) and target in (None, w.policy.target_id)
        ]
