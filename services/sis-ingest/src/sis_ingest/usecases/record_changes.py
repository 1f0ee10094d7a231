"""Record changes: from what one source says to resolved records and events, in one transaction.

The one path for webhooks and snapshots. Runs inside the caller's unit and never commits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sis_ingest.domain.changes import Change, Verdict, Write, settle
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import id_space
from sis_ingest.domain.identity import allot, candidate_id
from sis_ingest.domain.publish import publish
from sis_ingest.domain.references import IdKey, ids_in
from sis_ingest.ports import Clock, Ids, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChanges:
    """Applies batches of changes of one source."""

    clock: Clock
    ids: Ids

    async def __call__(
        self, unit: Unit, place: Place, changes: Sequence[Change]
    ) -> tuple[Verdict, ...]:
        """One verdict per change, in order. The unit must hold the district's lock.

        Set-based: the same number of statements whatever the batch. Running it twice changes
        nothing and emits nothing the second time. Source: blueprint invariants 2, 3 and 8.
        """
        if not changes:
            return ()
        known = await unit.records.known(place, list({change.key for change in changes}))
        settled = settle(changes, known, await unit.records.stated_as_of(place))
        if settled.writes:
            await unit.records.write(place, settled.writes)
            await self._publish(unit, place, [w for w in settled.writes if w.content])
        return settled.verdicts

    async def _publish(self, unit: Unit, place: Place, writes: Sequence[Write]) -> None:
        ids = await self._our_ids(unit, place, writes)
        keys = [
            (write.change.entity, ids[own])
            for write in writes
            if (own := (id_space(write.change.entity), write.change.external_id)) in ids
        ]
        before = await unit.records.resolved(place.district_id, keys)
        published = publish(place.district_id, writes, ids, before)
        if published.records:
            await unit.records.write_resolved(place.district_id, published.records)
        for event in published.events:
            unit.emit(event)

    async def _our_ids(
        self, unit: Unit, place: Place, writes: Sequence[Write]
    ) -> Mapping[IdKey, str]:
        """Ids for the records and all they refer to; a deletion mints none."""
        wanted = list(dict.fromkeys(_outside_ids(writes)))
        deleted = {
            (id_space(w.change.entity), w.change.external_id) for w in writes if w.change.deleted
        }
        found = await unit.crosswalk.find(place, list({*wanted, *deleted}))
        unseen = [key for key in wanted if key not in found]
        if not unseen:
            return found
        candidates = [
            (space, candidate)
            for space, outside in unseen
            if (candidate := candidate_id(outside)) is not None
        ]
        taken = await unit.crosswalk.taken(place.district_id, candidates)
        given = allot(unseen, taken, self.ids.new_id)
        await unit.crosswalk.link(place, given, now=self.clock.now())
        return {**found, **given}


def _outside_ids(writes: Iterable[Write]) -> Iterable[IdKey]:
    for write in writes:
        change = write.change
        if not change.deleted and change.record is not None:
            yield from ids_in(change.entity, change.record)
