"""What an ended id had belongs to the id that stands for it. The caller's transaction.

Nobody left and nothing was handed over: a merge says that two ids are one person. Source: ADR 0014.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from roster_common.ports import Clock
from ticket_events.domain.device import AssetFact, Device, Happening, happenings
from ticket_events.domain.ids import DeviceId, DistrictId, PersonId
from ticket_events.domain.presence import Presence
from ticket_events.ports import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowMerges:
    """Moves devices, open requests and open tickets. Running it again moves nothing."""

    clock: Clock

    async def __call__(
        self, unit: Unit, district_id: DistrictId, merged: Sequence[Presence]
    ) -> Sequence[DeviceId]:
        """The devices that moved, each told as assigned, for the collections to be settled.

        `merged` are presences, stored already, of ids that ended; the caller holds the district's
        lock. A request that moves is told again under its id, and has ended where the survivor
        has one open or a device in hand. Does not commit.
        """
        survivors = await unit.people.survivors(district_id, [one.person_id for one in merged])
        devices, _ = await unit.collections.around(
            district_id, device_ids=(), person_ids=[one.person_id for one in merged]
        )
        moved: list[DeviceId] = []
        for one in merged:
            survivor = survivors[one.person_id]
            held = [device for device in devices if device.holder_id == one.person_id]
            await self._move(unit, held, survivor, one)
            moved += [device.device_id for device in held]
            await unit.emit(
                await unit.requests.take_over(district_id, one.person_id, survivor, cause=one.cause)
            )
            provided = await unit.devices.holders(district_id, [survivor])
            await unit.requests.fulfil(district_id, sorted(provided), cause=one.cause)
        await unit.tickets.take_over(district_id, survivors)
        return moved

    async def _move(
        self, unit: Unit, held: Sequence[Device], survivor: PersonId, ended: Presence
    ) -> None:
        if not held:
            return
        now = self.clock.now()
        after = [replace(device, holder_id=survivor) for device in held]
        facts = [
            AssetFact(happening=what, device=new, holder_id=holder, at=now, cause=ended.cause)
            for old, new in zip(held, after, strict=True)
            for what, holder in happenings(old, new)
            # It stays in the same hands.
            if what is not Happening.RETURNED
        ]
        await unit.devices.put(after, correlation_id=ended.cause.correlation_id, now=now)
        await unit.devices.add_facts(facts)
        await unit.emit(facts)
