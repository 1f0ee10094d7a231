"""What an inventory file changes in a district's devices. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ticket_events.domain.cause import Cause
from ticket_events.domain.device import AssetFact, Device, happenings
from ticket_events.domain.ids import DeviceId, DistrictId
from ticket_events.domain.inventory import Inventory, InventoryRow, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What became of a file, in counts and places. `unknown_holders` counts devices of the
    district whose holder the roster never told of, after this file.
    """

    read: int
    new: int
    changed: int
    unchanged: int
    refusals: Sequence[Refusal]
    unknown_columns: Sequence[int]
    unknown_holders: int
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """`devices` are those to store, whole; `facts` what happened to them, in order."""

    devices: Sequence[Device]
    facts: Sequence[AssetFact]
    refusals: Sequence[Refusal]
    new: int
    unchanged: int


def plan_import(
    inventory: Inventory,
    stored: Mapping[str, Device],
    tag_of_serial: Mapping[str, str],
    *,
    district_id: DistrictId,
    new_id: Callable[[], str],
    at: datetime,
    cause: Cause,
) -> ImportPlan:
    """Compare a file with what is stored of its tags. A device that the file lacks is not
    touched; a serial number that stays with a device of another tag refuses the row.
    """
    devices: list[Device] = []
    facts: list[AssetFact] = []
    refusals = list(inventory.refusals)
    serials = {row.asset_tag: row.serial for row in inventory.rows}
    new = unchanged = 0
    for row in inventory.rows:
        owner = None if row.serial is None else tag_of_serial.get(row.serial, row.asset_tag)
        if owner not in (None, row.asset_tag) and serials.get(owner or "", row.serial) == (
            row.serial
        ):
            refusals.append(Refusal(row=row.row, column="serial", code="of_another_device"))
            continue
        before = stored.get(row.asset_tag)
        after = _device(row, before, inventory.columns, district_id=district_id, new_id=new_id)
        if before == after:
            unchanged += 1
            continue
        new += before is None
        devices.append(after)
        facts += [
            AssetFact(happening=what, device=after, holder_id=holder, at=at, cause=cause)
            for what, holder in happenings(before, after)
        ]
    return ImportPlan(
        devices=devices,
        facts=facts,
        refusals=sorted(refusals, key=lambda refusal: refusal.row),
        new=new,
        unchanged=unchanged,
    )


def _device(
    row: InventoryRow,
    before: Device | None,
    columns: frozenset[str],
    *,
    district_id: DistrictId,
    new_id: Callable[[], str],
) -> Device:
    """The row as a device; a column that the file has not got says nothing."""
    funding, purchased = row.funding_source, row.purchased_on
    if before is not None and "fundingSource" not in columns:
        funding = before.funding_source
    if before is not None and "purchasedOn" not in columns:
        purchased = before.purchased_on
    return Device(
        district_id=district_id,
        device_id=DeviceId(new_id()) if before is None else before.device_id,
        asset_tag=row.asset_tag,
        serial=row.serial,
        model=row.model,
        status=row.status,
        holder_id=row.holder_id,
        site_id=row.site_id,
        funding_source=funding,
        purchased_on=purchased,
    )
