"""Record changes: from what one source says to resolved records and events, in one transaction.

The one path for webhooks and snapshots. Runs inside the caller's unit and never commits.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sis_ingest.domain.changes import Change, ChangeKey, Verdict, Write, settle, settle_without
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import id_space
from sis_ingest.domain.publish import ResolvedKey, Said, publish
from sis_ingest.domain.references import IdKey, with_ids
from sis_ingest.ports import Clock, Unit
from sis_ingest.usecases.guard_changes import GuardChanges
from sis_ingest.usecases.identify import Identified, Identify
from sis_ingest.usecases.speaking import spoken
from sis_ingest.usecases.suggest import new_people

# Who let removals and additions pass: nobody yet, the budget of a whole run, or a person.
Clearance: TypeAlias = Literal["nobody", "budget", "approval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChanges:
    """Applies batches of changes of one source."""

    clock: Clock
    identify: Identify
    guard: GuardChanges

    async def __call__(
        self,
        unit: Unit,
        place: Place,
        changes: Sequence[Change],
        *,
        cleared_by: Clearance = "nobody",
    ) -> tuple[Verdict, ...]:
        """One verdict per change, in order. The unit must hold the district's lock.

        Set-based: the number of statements does not grow with the batch. Running it twice changes
        nothing and emits nothing the second time. What a guard stops waits in a hold. Source:
        blueprint invariants 2, 3, 4 and 8.
        """
        if not changes:
            return ()
        keys = {change.key for change in changes}
        known = await unit.records.known(place, list(keys))
        # What was held is part of a statement made since, so only the record's own time counts.
        as_of = {} if cleared_by == "approval" else await unit.records.stated_as_of(place)
        settled = settle(changes, known, as_of)
        if cleared_by == "nobody":
            held = await self.guard(unit, place, settled, known)
            if held:
                settled = settle_without(held, changes, known, as_of)
        if settled.writes:
            await self.guard.overtaken(unit, place, settled.writes)
            await unit.records.write(place, settled.writes)
            content = [w for w in settled.writes if w.content]
            # What a source only ever said was gone, it never told us of.
            new = {key for key in keys if key not in known or not known[key].content_hash}
            linked = await self._publish(unit, place, content, new=new)
            return _without_news(changes, settled.verdicts, linked)
        return settled.verdicts

    async def _publish(
        self,
        unit: Unit,
        place: Place,
        writes: Sequence[Write],
        *,
        new: Set[ChangeKey],
    ) -> Set[ChangeKey]:
        """Records that are new in this source alone: under its id we knew somebody already."""
        identified = await self.identify(unit, place, writes, new=new)
        said = await _said(unit, place, writes, identified)
        before = await unit.records.resolved(place.district_id, [_key(one) for one in said])
        published = publish(place.district_id, said, before)
        if published.records:
            await unit.records.write_resolved(
                place.district_id, published.records, now=self.clock.now()
            )
        for event in published.events:
            unit.emit(event)
        people = new_people(published.records, before)
        if people:
            cause = writes[0].change.cause
            await self.identify.suggest.same_people(unit, place.district_id, people, cause=cause)
        return {
            w.change.key
            for w in writes
            if w.change.key in new and (w.change.entity, identified.ids.get(_own_id(w))) in before
        }


async def _said(
    unit: Unit, place: Place, writes: Sequence[Write], identified: Identified
) -> Sequence[Said]:
    """What the writes make of their resolved records; others may speak for shared ones."""
    own = {write.change.key: _own_id(write) for write in writes}
    ids = identified.ids
    asked = {key for key in own.values() if key in ids and key not in identified.fresh}
    shared: Set[IdKey] = frozenset()
    if asked:
        shared = await unit.crosswalk.shared(
            place.district_id, [(space, ids[space, outside]) for space, outside in asked]
        )
    said: dict[ResolvedKey, Said] = {}
    for write in writes:
        change = write.change
        if own[change.key] not in ids:
            continue  # a deletion of what was never seen
        ours = ids[own[change.key]]
        gone = change.deleted or change.record is None
        said[change.entity, ours] = Said(
            entity=change.entity,
            entity_id=ours,
            record=None if gone else with_ids(change.entity, change.record or {}, ids),
            cause=change.cause,
            gone="not_in_snapshot" if change.absent else "source_deleted",
        )
    together = [key for key in said if (id_space(key[0]), key[1]) in shared]
    if together:
        speaking = await spoken(unit, place.district_id, together, moved={})
        for key in together:
            one = said[key]
            said[key] = Said(
                entity=one.entity,
                entity_id=one.entity_id,
                record=speaking.get(key),
                cause=one.cause,
                gone=one.gone,
            )
    return list(said.values())


def _without_news(
    changes: Sequence[Change], verdicts: Sequence[Verdict], linked: Set[ChangeKey]
) -> tuple[Verdict, ...]:
    """A link is a change of somebody known, no addition."""
    return tuple(
        Verdict.CHANGED if verdict is Verdict.NEW and change.key in linked else verdict
        for change, verdict in zip(changes, verdicts, strict=True)
    )


def _own_id(write: Write) -> IdKey:
    return id_space(write.change.entity), write.change.external_id


def _key(said: Said) -> ResolvedKey:
    return said.entity, said.entity_id
