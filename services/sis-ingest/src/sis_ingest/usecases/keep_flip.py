"""Keep a flip: begin it, or let it wait in a hold. Runs inside the caller's unit, never commits."""

from dataclasses import dataclass, replace

from roster_common.holds import APPROVAL_TIME, Decision
from sis_ingest.domain.changes import Change
from sis_ingest.domain.events import HoldMoved
from sis_ingest.domain.flips import SILENCE, Differences, Flip, budget_of, place_of
from sis_ingest.domain.guards import LIMITS, WINDOW, GuardKey, Hold
from sis_ingest.ports import Clock
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.keep_hold import KeepHold


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepFlip:
    """The unit must hold the district's lock. A flip and its hold have one id."""

    clock: Clock
    keep: KeepHold

    async def stopped(
        self, unit: Unit, district_id: str, differences: Differences
    ) -> tuple[GuardKey, ...]:
        """The guards that say no, with what flips of the district took in the last 24 hours."""
        begins = self.clock.now() - WINDOW
        return differences.stopped(await unit.budget.spent(budget_of(district_id), since=begins))

    async def begin(self, unit: Unit, flip: Flip, differences: Differences) -> Flip:
        """Lays it down and spends its budget; the records are told again from here on."""
        now = self.clock.now()
        for key in LIMITS:
            if count := differences.count(*key):
                await unit.budget.spend(
                    budget_of(flip.order.district_id),
                    key,
                    count,
                    cause_id=flip.flip_id,
                    now=now,
                    window_begins=now - WINDOW,
                )
        return await self.lay_down(unit, flip)

    async def lay_down(self, unit: Unit, flip: Flip) -> Flip:
        """Lays it down; a retelling lays nothing down and only begins."""
        begun = replace(flip, begun_at=self.clock.now())
        if not flip.order.retells:
            await unit.authority.lay_down(begun)
        await unit.authority.save(begun)
        return begun

    async def hold(self, unit: Unit, flip: Flip, differences: Differences, key: GuardKey) -> Hold:
        """Its hold, with all that guards count of it; `key` is the guard that it names."""
        now, place = self.clock.now(), place_of(flip.order)
        key = SILENCE if flip.order.retells else key
        entity, operation = key
        if (other := await unit.holds.open(place, key)) is not None:
            await self.keep.end(unit, other, reason="replaced")
        hold = Hold(
            hold_id=flip.flip_id,
            place=place,
            entity=entity,
            operation=operation,
            count=differences.count(*key),
            population=differences.population.get(entity, 0),
            threshold=LIMITS[key],
            decision=Decision(
                state="open",
                items_hash=differences.items_hash,
                expires_at=now + APPROVAL_TIME,
                approvals_needed=differences.approvals_needed(),
            ),
            cause=flip.cause,
            run_id=None,
            created_at=now,
            sample=differences.sample(*key),
        )
        await unit.authority.save(flip)
        await unit.holds.save(hold)
        await unit.holds.put(hold, [_item(hold, name) for name in differences.guarded()])
        unit.emit(HoldMoved(moment="tripped", hold=hold))
        return hold


def _item(hold: Hold, name: str) -> Change:
    """One difference as a hold keeps it: by its name alone."""
    return Change(
        entity=hold.entity,
        external_id=name,
        record=None,
        content_hash=b"",
        deleted=True,
        version=None,
        occurred_at=hold.created_at,
        cause=hold.cause,
    )
