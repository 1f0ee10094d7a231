"""An operator wants a target read whole now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from directory_sync.domain.fact import PlanStep
from directory_sync.domain.policy import Policy
from directory_sync.ports import Unit, Units
from directory_sync.usecases.decide_plan import end_plan
from roster_common.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class AskReading:
    """Notes the wish; a loop of this or another process reads."""

    units: Units
    policies: Sequence[Policy]
    clock: Clock

    async def __call__(self, district: str, target: str, *, may_see: Callable[[str], bool]) -> bool:
        """False when there is no such target to be seen. Commits; may run twice.

        A target that is not live is planned anew from a fresh reading, also after a rejection; the
        plan that waits there ends, because nothing can be approved of a target that is not read.
        """
        for policy in self.policies:
            key = (policy.district_id, policy.target_id)
            if key == (district, target) and may_see(district):
                async with self.units.begin() as unit:
                    await unit.targets.lock(*key)
                    await self._plan_anew(unit, policy)
                    await unit.readings.ask(*key, now=self.clock.now())
                return True
        return False

    async def _plan_anew(self, unit: Unit, policy: Policy) -> None:
        key = (policy.district_id, policy.target_id)
        plan = await unit.plans.latest(*key, "first_connection")
        if plan is not None and plan.decision.state == "open":
            expired = replace(plan.decision, state="expired")
            await end_plan(unit, plan, expired, PlanStep.EXPIRED, now=self.clock.now())
        await unit.targets.read_afresh(*key)
