"""Release a hold: do what an operator approved, as far as it is still wanted."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from sis_ingest.domain.changes import Verdict
from sis_ingest.domain.guards import Hold
from sis_ingest.ports import Clock
from sis_ingest.ports.desks import HoldDesk
from sis_ingest.ports.units import Units
from sis_ingest.usecases.record_changes import RecordChanges

BATCH: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold:
    """Carries out approved holds, oldest first, batch by batch."""

    units: Units
    desk: HoldDesk
    clock: Clock
    record_changes: RecordChanges

    async def next(self, *, resting: Collection[str] = ()) -> Hold | None:
        """The oldest approved hold that is not done, leaving out the ids `resting`."""
        return await self.desk.approved(resting=resting)

    async def __call__(self, found: Hold) -> None:
        """Do one batch of it and commit; ask for the `next` until there is none.

        An item is done and forgotten in one transaction, so a crash repeats nothing. What a newer
        statement overtook since is forgotten without effect: newest wins here as everywhere.
        """
        async with self.units.begin("release") as unit:
            await unit.lock_district(found.place.district_id)
            hold = await unit.holds.get(found.place.district_id, found.hold_id)
            if hold is None or hold.done_at is not None:
                return
            items = await unit.holds.items(hold, limit=BATCH)
            verdicts = await self.record_changes(unit, hold.place, items, cleared_by="approval")
            await unit.holds.drop(hold, [item.external_id for item in items])
            await unit.holds.save(self._after(hold, verdicts, last=len(items) < BATCH))

    def _after(self, hold: Hold, verdicts: tuple[Verdict, ...], *, last: bool) -> Hold:
        done = sum(verdict in (Verdict.NEW, Verdict.CHANGED) for verdict in verdicts)
        return replace(
            hold,
            released=hold.released + done,
            done_at=self.clock.now() if last else None,
        )
