"""Collect devices from people who left, and stop where that is no longer so.

Called after every change of a device or of a person's presence, in the caller's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from roster_common.ports import Clock, IdSource
from ticket_events.domain.cause import Cause
from ticket_events.domain.collection import Collection, CollectionState, settle
from ticket_events.domain.device import AssetFact, Device, Happening
from ticket_events.domain.ids import DeviceId, DistrictId, PersonId
from ticket_events.domain.presence import Presence
from ticket_events.domain.ticket import (
    DEVICE_COLLECTION,
    OUR_DESK,
    TicketFact,
    TicketHappening,
    Traits,
)
from ticket_events.ports import Unit
from ticket_events.usecases.record_tickets import RecordTickets

_ENDS = {
    CollectionState.DONE: TicketHappening.SOLVED,
    CollectionState.CANCELLED: TicketHappening.CLOSED,
}


class SettleCollections:
    """Tasks, their tickets and events commit together; settling again gives nothing."""

    def __init__(self, *, clock: Clock, ids: IdSource, record: RecordTickets) -> None:
        self._clock = clock
        self._ids = ids
        self._record = record

    async def __call__(
        self,
        unit: Unit,
        district_id: DistrictId,
        *,
        device_ids: Sequence[DeviceId],
        causes: Mapping[PersonId, Cause],
        otherwise: Cause,
    ) -> None:
        """For the devices that changed, and the persons whose presence did, with the cause of
        that; what the devices alone bring about goes back to `otherwise`. Does not commit.
        """
        devices, tasks = await unit.collections.around(
            district_id, device_ids=device_ids, person_ids=sorted(causes)
        )
        concerned = {d.held_by for d in devices if d.held_by} | {t.person_id for t in tasks}
        presences = await unit.people.presences(district_id, sorted(concerned))
        settlement = settle(devices, presences, tasks)
        schools = await unit.people.schools(
            district_id, [presence.person_id for _, presence in settlement.wanted]
        )
        opened = [
            (
                self._open(
                    device,
                    presence,
                    device.site_id or schools.get(presence.person_id),
                    causes.get(presence.person_id, otherwise),
                ),
                device,
            )
            for device, presence in settlement.wanted
        ]
        # Ends first: a device has one open task at a time.
        ended = [
            self._turn(task, state, causes.get(task.person_id, otherwise))
            for task, state in settlement.ended
        ]
        again = [
            self._turn(task, CollectionState.OPEN, causes.get(task.person_id, otherwise))
            for task in settlement.again
        ]
        await self._apply(unit, district_id, ended, again, opened)

    def _open(
        self, device: Device, presence: Presence, site_id: str | None, cause: Cause
    ) -> Collection:
        return Collection(
            collection_id=self._ids.new_id(),
            person_id=presence.person_id,
            device_id=device.device_id,
            leaving_id=presence.leaving_id or "",
            state=CollectionState.OPEN,
            site_id=site_id,
            turn=0,
            cause=cause,
            changed_at=self._clock.now(),
        )

    async def _apply(
        self,
        unit: Unit,
        district_id: DistrictId,
        ended: Sequence[Collection],
        again: Sequence[Collection],
        opened: Sequence[tuple[Collection, Device]],
    ) -> None:
        for changed in (ended, [*again, *(task for task, _ in opened)]):
            if changed:
                await unit.collections.put(district_id, changed)
        facts = [
            *(_fact(task, _ENDS[task.state]) for task in ended),
            *(_fact(task, TicketHappening.REOPENED) for task in again),
            *(_fact(task, TicketHappening.CREATED) for task, _ in opened),
        ]
        if facts:
            await self._record(unit, district_id, facts)
        requested = [
            AssetFact(
                happening=Happening.COLLECTION_REQUESTED,
                device=device,
                holder_id=task.person_id,
                at=task.changed_at,
                cause=task.cause,
                ticket_id=task.collection_id,
            )
            for task, device in opened
        ]
        if requested:
            await unit.devices.add_facts(requested)
            await unit.emit(requested)

    def _turn(self, task: Collection, state: CollectionState, cause: Cause) -> Collection:
        return replace(
            task, state=state, turn=task.turn + 1, cause=cause, changed_at=self._clock.now()
        )


def _fact(task: Collection, happening: TicketHappening) -> TicketFact:
    """What happened to the task, as a fact of its ticket at our own desk."""
    return TicketFact(
        desk=OUR_DESK,
        ticket_id=task.collection_id,
        happening=happening,
        occurred_at=task.changed_at,
        sequence=task.turn,
        traits=Traits(
            status=task.state.value,
            category=DEVICE_COLLECTION,
            site_id=task.site_id,
            requester=task.person_id,
            device=task.device_id,
            channel="system",
        ),
        cause=task.cause,
    )
