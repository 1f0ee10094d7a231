"""People joined, left and were merged: ask for devices, move them over, collect devices.

In the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from roster_common.ports import Clock
from ticket_events.domain.device_request import Joined, Left
from ticket_events.domain.ids import DistrictId
from ticket_events.domain.presence import before_each, follow
from ticket_events.ports import Unit
from ticket_events.usecases.follow_merges import FollowMerges
from ticket_events.usecases.request_devices import RequestDevices
from ticket_events.usecases.settle_collections import SettleCollections


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowPeople:
    """Running it again with the same steps changes nothing."""

    clock: Clock
    request: RequestDevices
    take_over: FollowMerges
    settle: SettleCollections

    async def __call__(
        self, unit: Unit, district_id: DistrictId, steps: Sequence[Joined | Left]
    ) -> None:
        """Steps of one district, in the order of the log. Does not commit."""
        await unit.lock_district(district_id)
        people = sorted({step.person_id for step in steps})
        known = await unit.people.presences(district_id, people)
        now = self.clock.now()
        changed = follow(known, steps, now=now)
        if changed:
            await unit.people.put_presences(district_id, changed)
        before = before_each(known, steps, now=now)
        await self.request(unit, district_id, list(zip(steps, before, strict=True)))
        if not changed:
            return
        merged = [one for one in changed if one.merged_into is not None]
        taken = await self.take_over(unit, district_id, merged) if merged else ()
        await self.settle(
            unit,
            district_id,
            device_ids=taken,
            causes={one.person_id: one.cause for one in changed},
            otherwise=changed[0].cause,
        )
