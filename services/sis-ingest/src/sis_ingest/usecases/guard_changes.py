"""Guard changes: what one source may remove or add without asking, and what waits for a person.

For changes that come one by one. A snapshot is judged as a whole: guard_snapshot.py.
Runs inside the caller's unit, under the district's lock, and never commits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sis_ingest.domain.changes import Change, ChangeKey, Known, Settled, Write
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity, id_space
from sis_ingest.domain.guards import WINDOW, GuardKey, guarded, room
from sis_ingest.domain.match_keys import match_keys
from sis_ingest.ports import Clock
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.keep_hold import KeepHold
from sis_ingest.usecases.recognise import Recognise, Stranger


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardChanges:
    """Spends the budget of each guard in the order the changes came."""

    clock: Clock
    keep: KeepHold
    recognise: Recognise

    async def __call__(
        self, unit: Unit, place: Place, settled: Settled, known: Mapping[ChangeKey, Known]
    ) -> frozenset[tuple[ChangeKey, bool]]:
        """The changes that must wait, by (record, deleted); they are in a hold on return.

        However the changes are batched, the same ones wait. Source: ADR 0012.
        """
        held: set[tuple[ChangeKey, bool]] = set()
        for key, changes in guarded(settled, known).items():
            # A first load may add as it likes, also by webhooks.
            if key[1] == "add" and not await unit.runs.completed_before(place):
                continue
            counted = changes
            if key[1] == "add":
                counted = await self._new(unit, place, key[0], changes)
            waiting = await self._wait(unit, place, key, counted) if counted else ()
            held.update((change.key, change.deleted) for change in waiting)
        return frozenset(held)

    async def _new(
        self, unit: Unit, place: Place, entity: Entity, changes: Sequence[Change]
    ) -> Sequence[Change]:
        """Those that mean nobody we know: a link is no addition."""
        strangers = {
            (id_space(change.entity), change.external_id): Stranger(
                keys=match_keys(entity, change.record or {}),
                cause=change.cause,
                at=change.occurred_at,
            )
            for change in changes
        }
        found = await unit.crosswalk.find(place, list(strangers))
        known = await self.recognise.known(unit, place, entity, strangers, found)
        return [c for c in changes if (id_space(c.entity), c.external_id) not in known]

    async def overtaken(self, unit: Unit, place: Place, writes: Sequence[Write]) -> None:
        """What these writes overtake leaves its hold."""
        if writes:
            shrunk = await unit.holds.leave(place, writes)
            await self.keep.shrunk(unit, place.district_id, shrunk)

    async def _wait(
        self, unit: Unit, place: Place, key: GuardKey, changes: Sequence[Change]
    ) -> Sequence[Change]:
        now, limit = self.clock.now(), self.keep.limits(place)[key]
        spent = (await unit.budget.spent(place, since=now - WINDOW)).get(key, 0)
        population = 0
        # Counting a large collection costs; within the floor nobody needs to know its size.
        if room(limit, wanted=len(changes), spent=spent, population=0) < len(changes):
            active = await unit.budget.active(place, key[0])
            population = active + spent if key[1] == "remove" else max(active - spent, 0)
        going = room(limit, wanted=len(changes), spent=spent, population=population)
        if going:
            await unit.budget.spend(
                place,
                key,
                going,
                # Its own: a delivery that is said again must not overwrite what it spent before.
                cause_id=self.keep.ids.new_id(),
                now=now,
                window_begins=now - WINDOW,
            )
        waiting = changes[going:]
        if waiting:
            await self.keep.fill(
                unit,
                place,
                key,
                population=population,
                cause=waiting[0].cause,
                run_id=None,
                fill=lambda hold: unit.holds.put(hold, waiting),
            )
        return waiting
