"""Keep a hold in step with its items: opening, growing, shrinking, ending by itself.

Runs inside the caller's unit, under the district's lock, and never commits.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from roster_common.holds import APPROVAL_TIME, Decision, approvals_needed, expire, hash_items
from sis_ingest.domain.changes import Cause
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.events import HoldMoved
from sis_ingest.domain.guards import GuardKey, Hold, LimitsOf, standard_limits
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.units import Unit

_NOTHING: Final = hash_items(())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepHold:
    """One open hold per source, entity and operation; what it holds is named by its hash.

    Whenever its items change, so does the hash: approvals given before count no more, and its
    24 hours begin again. The same items held once more change nothing: what nobody approves ends.
    """

    clock: Clock
    ids: Ids
    limits: LimitsOf = standard_limits

    async def fill(
        self,
        unit: Unit,
        place: Place,
        key: GuardKey,
        *,
        population: int,
        cause: Cause,
        run_id: str | None,
        fill: Callable[[Hold], Awaitable[int | None]],
        needed: Callable[[Sequence[str]], Awaitable[int]] | None = None,
    ) -> Hold:
        """The guard's open hold after `fill` put items into it, made if there was none.

        `needed` says how many people must approve items of these names, where the hold is of more
        than one entity; never fewer than before.
        """
        hold = await self._open(unit, place, key)
        if hold is None:
            hold = self._new(place, key, population, cause, run_id)
            await unit.holds.save(hold)
        before = hold.decision.items_hash
        await fill(hold)
        hold = await self._restate(
            unit, replace(hold, population=population, threshold=self.limits(place)[key]), needed
        )
        if hold.decision.items_hash != before:
            unit.emit(HoldMoved(moment="tripped", hold=hold))
        return hold

    async def shrunk(self, unit: Unit, district_id: str, hold_ids: Iterable[str]) -> None:
        """Restates holds that lost items; one that lost all of them is over."""
        for hold_id in sorted(hold_ids):
            hold = await unit.holds.get(district_id, hold_id)
            if hold is not None and hold.decision.state == "open":
                hold = await self._restate(unit, hold)
                if hold.count == 0:
                    await self.end(unit, hold, reason="nothing_held")

    async def end(self, unit: Unit, hold: Hold, *, reason: str) -> None:
        """Ends an open hold without doing anything: its items are forgotten."""
        decision = replace(hold.decision, state="expired")
        ended = replace(hold, decision=decision, reason=reason, done_at=self.clock.now())
        await unit.holds.drop(hold)
        await unit.holds.save(ended)
        unit.emit(HoldMoved(moment="expired", hold=ended))

    async def _open(self, unit: Unit, place: Place, key: GuardKey) -> Hold | None:
        hold = await unit.holds.open(place, key)
        if hold is not None and expire(hold.decision, now=self.clock.now()).state == "expired":
            await self.end(unit, hold, reason="expired")
            return None
        return hold

    def _new(
        self, place: Place, key: GuardKey, population: int, cause: Cause, run_id: str | None
    ) -> Hold:
        now = self.clock.now()
        return Hold(
            hold_id=self.ids.new_id(),
            place=place,
            entity=key[0],
            operation=key[1],
            count=0,
            population=population,
            threshold=self.limits(place)[key],
            decision=Decision(state="open", items_hash=_NOTHING, expires_at=now + APPROVAL_TIME),
            cause=cause,
            run_id=run_id,
            created_at=now,
        )

    async def _restate(
        self,
        unit: Unit,
        hold: Hold,
        needed: Callable[[Sequence[str]], Awaitable[int]] | None = None,
    ) -> Hold:
        """A removal is the same whatever the record last said; an addition is of its content."""
        marks = await unit.holds.marks(hold)
        names = list(marks)
        items_hash = hash_items(
            (name, hold.operation if hold.operation == "remove" else f"add:{mark.hex()}")
            for name, mark in marks.items()
        )
        same = items_hash == hold.decision.items_hash
        approvals = (
            approvals_needed(held=len(names), population=hold.population)
            if needed is None
            else max(hold.decision.approvals_needed, await needed(names))
        )
        restated = replace(
            hold,
            count=len(names),
            sample=hold.sample if same else await unit.holds.sample(hold),
            decision=replace(
                hold.decision,
                items_hash=items_hash,
                expires_at=hold.decision.expires_at if same else self.clock.now() + APPROVAL_TIME,
                approvals=hold.decision.approvals if same else (),
                approvals_needed=approvals,
            ),
        )
        await unit.holds.save(restated)
        return restated
