"""Take an inventory file: good rows are stored, bad rows refused, as one transaction."""

from dataclasses import dataclass, replace

from roster_common.ports import Clock, IdSource
from ticket_events.domain.cause import Cause
from ticket_events.domain.ids import DistrictId
from ticket_events.domain.imports import FileReport, ImportPlan, plan_import
from ticket_events.domain.inventory import Inventory
from ticket_events.ports import Unit, Units
from ticket_events.usecases.settle_collections import SettleCollections


class _DryRunDone(Exception):
    """No error: ends a transaction that is not to be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportDevices:
    """A device that the file lacks is not removed (docs/adr/0008)."""

    units: Units
    clock: Clock
    ids: IdSource
    settle: SettleCollections

    async def __call__(
        self,
        district_id: DistrictId,
        inventory: Inventory,
        *,
        correlation_id: str,
        dry_run: bool = False,
    ) -> FileReport:
        """The report, durable on return. Commits; a dry run is the same, rolled back.

        May run twice: a repeated file changes nothing and tells nothing.
        """
        cause = Cause(correlation_id=correlation_id, origin="operator")
        try:
            async with self.units.begin("import") as unit:
                report = await self._take(unit, district_id, inventory, cause)
                if dry_run:
                    raise _DryRunDone
        except _DryRunDone:
            return replace(report, dry_run=True)
        return report

    async def _take(
        self, unit: Unit, district_id: DistrictId, inventory: Inventory, cause: Cause
    ) -> FileReport:
        await unit.lock_district(district_id)
        plan = await self._plan(unit, district_id, inventory, cause)
        await self._store(unit, district_id, plan, cause)
        report = FileReport(
            read=inventory.read,
            new=plan.new,
            changed=len(plan.devices) - plan.new,
            unchanged=plan.unchanged,
            refusals=plan.refusals,
            unknown_columns=inventory.unknown_columns,
            unknown_holders=await unit.devices.count_unknown_holders(district_id),
            dry_run=False,
        )
        await unit.devices.add_file(
            district_id,
            self.ids.new_id(),
            report,
            correlation_id=cause.correlation_id,
            now=self.clock.now(),
        )
        return report

    async def _plan(
        self, unit: Unit, district_id: DistrictId, inventory: Inventory, cause: Cause
    ) -> ImportPlan:
        # The district's list may name ended ids for years.
        survivors = await unit.people.survivors(
            district_id, sorted({row.holder_id for row in inventory.rows if row.holder_id})
        )
        rows = [
            replace(row, holder_id=survivors.get(row.holder_id or "", row.holder_id))
            for row in inventory.rows
        ]
        return plan_import(
            replace(inventory, rows=rows),
            await unit.devices.by_tag(district_id, [row.asset_tag for row in rows]),
            await unit.devices.tags_of_serials(
                district_id, [row.serial for row in rows if row.serial is not None]
            ),
            district_id=district_id,
            new_id=self.ids.new_id,
            at=self.clock.now(),
            cause=cause,
        )

    async def _store(
        self, unit: Unit, district_id: DistrictId, plan: ImportPlan, cause: Cause
    ) -> None:
        if not plan.devices:
            return
        await unit.devices.put(
            plan.devices, correlation_id=cause.correlation_id, now=self.clock.now()
        )
        await unit.devices.add_facts(plan.facts)
        await unit.emit(plan.facts)
        await unit.requests.fulfil(
            district_id,
            sorted({d.held_by for d in plan.devices if d.held_by is not None}),
            cause=cause,
        )
        await self.settle(
            unit,
            district_id,
            device_ids=[device.device_id for device in plan.devices],
            causes={},
            otherwise=cause,
        )
