"""Decide a hold: an operator approves or rejects it, or its time runs out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from roster_common.holds import Decision, Refused, approve, expire, reject
from sis_ingest.domain.events import HoldMoved
from sis_ingest.domain.guards import Hold
from sis_ingest.ports import Clock
from sis_ingest.ports.desks import HoldDesk
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.keep_hold import KeepHold


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideHold:
    """Keeps decisions. `poke` wakes whoever releases what was approved; called after the commit."""

    units: Units
    desk: HoldDesk
    clock: Clock
    keep: KeepHold
    poke: Callable[[], None]

    async def approve(self, hold: Hold, *, subject: str, items_hash: str) -> Hold | Refused:
        """The hold with this approval; once approved it is released in the background. Commits.

        `items_hash` is of what the approver saw. `Refused` says why the approval does not count.
        """
        async with self.units.begin("run") as unit:
            current = await self._locked(unit, hold)
            if current is None:
                return Refused(code="ended")
            decision = approve(
                current.decision, subject=subject, items_hash=items_hash, now=self.clock.now()
            )
            if isinstance(decision, Refused):
                return decision
            decided = await _save(unit, current, decision)
            if decision.state == "approved":
                unit.emit(HoldMoved(moment="approved", hold=decided))
        self.poke()
        return decided

    async def reject(self, hold: Hold, *, subject: str, reason: str | None) -> Hold | Refused:
        """The hold, refused: its items are forgotten and nothing was done. Commits."""
        async with self.units.begin("run") as unit:
            current = await self._locked(unit, hold)
            if current is None:
                return Refused(code="ended")
            now = self.clock.now()
            decision = reject(current.decision, now=now)
            if isinstance(decision, Refused):
                return decision
            await unit.holds.drop(current)
            decided = replace(current, reason=reason, done_at=now)
            decided = await _save(unit, decided, decision)
            unit.emit(HoldMoved(moment="rejected", hold=decided, rejected_by=subject))
        return decided

    async def due(self) -> Sequence[Hold]:
        """Open holds whose time is over."""
        return await self.desk.due(self.clock.now())

    async def expire(self, hold: Hold) -> bool:
        """End the hold if it is open and its time is over; whether it did. Commits."""
        async with self.units.begin("run") as unit:
            current = await self._locked(unit, hold)
            if current is None or current.decision.state != "open":
                return False
            if expire(current.decision, now=self.clock.now()).state != "expired":
                return False
            await self.keep.end(unit, current, reason="expired")
        return True

    async def _locked(self, unit: Unit, hold: Hold) -> Hold | None:
        await unit.lock_district(hold.place.district_id)
        return await unit.holds.get(hold.place.district_id, hold.hold_id)


async def _save(unit: Unit, hold: Hold, decision: Decision) -> Hold:
    decided = replace(hold, decision=decision)
    await unit.holds.save(decided)
    return decided
