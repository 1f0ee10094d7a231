"""Which devices must be collected from people who left. Pure.

One rule, asked after every change of a device or a person: a device in the hands of somebody who
left is collected, once per (person, device, leaving); what is no longer so ends the task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ticket_events.domain.cause import Cause
from ticket_events.domain.device import Device, DeviceStatus
from ticket_events.domain.ids import DeviceId, PersonId
from ticket_events.domain.presence import Presence


class CollectionState(StrEnum):
    """Life of a collection: `done` when the device came back, `cancelled` when it need not."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One task; its id is also the id of its ticket at our own desk. `turn` counts its changes."""

    collection_id: str
    person_id: PersonId
    device_id: DeviceId
    leaving_id: str
    state: CollectionState
    site_id: str | None
    turn: int
    cause: Cause
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What has to change: devices to collect, tasks to take up again, tasks to end."""

    wanted: Sequence[tuple[Device, Presence]]
    again: Sequence[Collection]
    ended: Sequence[tuple[Collection, CollectionState]]


def settle(
    devices: Sequence[Device],
    presences: Mapping[PersonId, Presence],
    collections: Sequence[Collection],
) -> Settlement:
    """Compare what should be collected with what is. `collections` are all those of `devices`.

    Applying the answer and asking again gives nothing.
    """
    by_id = {device.device_id: device for device in devices}
    due: dict[tuple[PersonId, DeviceId, str], tuple[Device, Presence]] = {}
    for device in devices:
        presence = None if device.held_by is None else presences.get(device.held_by)
        if presence is not None and presence.leaving_id is not None and presence.must_give_back:
            due[presence.person_id, device.device_id, presence.leaving_id] = device, presence
    again: list[Collection] = []
    ended: list[tuple[Collection, CollectionState]] = []
    for task in collections:
        is_due = due.pop((task.person_id, task.device_id, task.leaving_id), None) is not None
        if is_due and task.state is not CollectionState.OPEN:
            again.append(task)
        elif not is_due and task.state is CollectionState.OPEN:
            ended.append((task, _end(by_id.get(task.device_id), presences.get(task.person_id))))
    return Settlement(wanted=list(due.values()), again=again, ended=ended)


def _end(device: Device | None, presence: Presence | None) -> CollectionState:
    missing = device is None or device.status in (DeviceStatus.LOST, DeviceStatus.STOLEN)
    stays = presence is not None and (presence.leaving_id is None or presence.merged_into)
    return CollectionState.CANCELLED if missing or stays else CollectionState.DONE
