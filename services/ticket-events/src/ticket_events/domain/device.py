"""A device as the inventory tells it, and what a difference between two tellings means. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from ticket_events.domain.cause import Cause
from ticket_events.domain.ids import DeviceId, DistrictId, PersonId


class DeviceStatus(StrEnum):
    """What the inventory may say of a device."""

    IN_STOCK = "in_stock"
    ASSIGNED = "assigned"
    CHECKED_OUT = "checked_out"
    IN_REPAIR = "in_repair"
    DAMAGED = "damaged"
    LOST = "lost"
    STOLEN = "stolen"
    RETIRED = "retired"


class Happening(StrEnum):
    """What can happen to a device; each is an event of the registry."""

    REGISTERED = "registered"
    ASSIGNED = "assigned"
    CHECKED_OUT = "checkedout"
    RETURNED = "returned"
    MOVED = "moved"
    REPAIR_OPENED = "repairopened"
    REPAIR_CLOSED = "repairclosed"
    LOST = "lost"
    STOLEN = "stolen"
    DAMAGED = "damaged"
    FOUND = "found"
    RETIRED = "retired"
    COLLECTION_REQUESTED = "collectionrequested"


_MISSING: Final = frozenset({DeviceStatus.LOST, DeviceStatus.STOLEN})
_GONE: Final = _MISSING | {DeviceStatus.RETIRED}
_ARRIVALS: Final = {
    DeviceStatus.IN_REPAIR: Happening.REPAIR_OPENED,
    DeviceStatus.DAMAGED: Happening.DAMAGED,
    DeviceStatus.LOST: Happening.LOST,
    DeviceStatus.STOLEN: Happening.STOLEN,
    DeviceStatus.RETIRED: Happening.RETIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device. A person may hold many; a device has one holder at most."""

    district_id: DistrictId
    device_id: DeviceId
    asset_tag: str
    serial: str | None
    model: str | None
    status: DeviceStatus
    holder_id: PersonId | None
    site_id: str | None
    funding_source: str | None
    purchased_on: date | None

    @property
    def held_by(self) -> PersonId | None:
        """Who has it in hand and can give it back; nobody when it is lost, stolen or retired."""
        return None if self.status in _GONE else self.holder_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFact:
    """One thing that happened to a device; `holder_id` is the person it concerns."""

    happening: Happening
    device: Device
    holder_id: PersonId | None
    at: datetime
    cause: Cause
    ticket_id: str | None = None


def happenings(before: Device | None, after: Device) -> Sequence[tuple[Happening, PersonId | None]]:
    """What happened between two tellings of one device, in order, with the person concerned.

    Two equal tellings give nothing; neither does a corrected model or serial number, which the
    next fact carries along.
    """
    found: list[tuple[Happening, PersonId | None]] = []
    was = None if before is None else before.status
    holder_before = None if before is None else before.holder_id
    if before is None or (was is DeviceStatus.RETIRED and after.status is not DeviceStatus.RETIRED):
        found.append((Happening.REGISTERED, after.holder_id))
    if was is DeviceStatus.IN_REPAIR and after.status is not was:
        found.append((Happening.REPAIR_CLOSED, holder_before))
    if was in _MISSING and after.status not in _GONE:
        found.append((Happening.FOUND, holder_before))
    if holder_before is not None and holder_before != after.holder_id:
        found.append((Happening.RETURNED, holder_before))
    if before is not None and before.site_id != after.site_id:
        found.append((Happening.MOVED, after.holder_id))
    if _is_handed_over(before, after):
        lent = after.status is DeviceStatus.CHECKED_OUT
        found.append((Happening.CHECKED_OUT if lent else Happening.ASSIGNED, after.holder_id))
    if after.status is not was and after.status in _ARRIVALS:
        found.append((_ARRIVALS[after.status], after.holder_id))
    return found


def _is_handed_over(before: Device | None, after: Device) -> bool:
    """Whether the device has another holder, is lent now, or was given to a place."""
    was = None if before is None else before.status
    holder_before = None if before is None else before.holder_id
    if after.holder_id is not None and after.holder_id != holder_before:
        return True
    if after.status is was:
        return False
    lent_or_back = {was, after.status} == {DeviceStatus.ASSIGNED, DeviceStatus.CHECKED_OUT}
    to_a_place = after.status is DeviceStatus.ASSIGNED and after.holder_id is None
    return lent_or_back or to_a_place
