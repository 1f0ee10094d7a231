"""Record changes: from what one source says to resolved records and events, in one transaction.

The one path for webhooks and snapshots. Runs inside the caller's unit and never commits.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from sis_ingest.domain.authority import Spoken
from sis_ingest.domain.changes import Change, ChangeKey, Verdict, Write, settle, settle_without
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import id_space
from sis_ingest.domain.publish import ResolvedKey, Said, publish
from sis_ingest.domain.references import IdKey, with_ids
from sis_ingest.ports import Clock
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.guard_changes import GuardChanges
from sis_ingest.usecases.guard_silence import too_much_silence
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
        stated_beside: bool = False,
    ) -> tuple[Verdict, ...]:
        """One verdict per change, in order. The unit must hold the district's lock.

        Set-based: the number of statements does not grow with the batch. Running it twice changes
        nothing and emits nothing the second time. What a guard stops waits in a hold. Source:
        blueprint invariants 2, 3, 4 and 8.

        `stated_beside`: the same statement lists demographics, so it says itself which are gone.
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
            await self._store(unit, place, settled.writes)
            followers = await _demographics(unit, place, settled.writes, unasked=not stated_beside)
            await self._store(unit, place, followers)
            content = [w for w in (*settled.writes, *followers) if w.content]
            # What a source only ever said was gone, it never told us of.
            new = {key for key in keys if key not in known or not known[key].content_hash}
            linked = await self._publish(
                unit, place, content, new=new, guarded=cleared_by != "approval"
            )
            return _without_news(changes, settled.verdicts, linked)
        return settled.verdicts

    async def _store(self, unit: Unit, place: Place, writes: Sequence[Write]) -> None:
        if writes:
            await self.guard.overtaken(unit, place, writes)
            await unit.records.write(place, writes)

    async def _publish(
        self,
        unit: Unit,
        place: Place,
        writes: Sequence[Write],
        *,
        new: Set[ChangeKey],
        guarded: bool,
    ) -> Set[ChangeKey]:
        """Records that are new in this source alone: under its id we knew somebody already."""
        identified = await self.identify(unit, place, writes, new=new)
        said = await _said(unit, place, writes, identified)
        before = await unit.records.resolved(place.district_id, [one.key for one in said])
        if guarded:
            waiting = await too_much_silence(
                unit, place, said, before, clock=self.clock, keep=self.guard.keep
            )
            said = [one for one in said if one.key not in waiting]
        published = publish(place.district_id, said, before)
        if published.records:
            await unit.records.write_resolved(
                place.district_id, published.records, now=self.clock.now()
            )
        for event in published.events:
            unit.emit(event)
        new_ones = set(new_people(published.records, before))
        people = {
            one.entity_id: one.cause
            for one in said
            if id_space(one.entity) == "user" and one.entity_id in new_ones
        }
        await self.identify.suggest.same_people(unit, place.district_id, people)
        return {
            w.change.key
            for w in writes
            if w.change.key in new and (w.change.entity, identified.ids.get(_own_id(w))) in before
        }


async def _demographics(
    unit: Unit, place: Place, writes: Sequence[Write], *, unasked: bool
) -> Sequence[Write]:
    """Deletions that go without saying: no birth date outlives its person. Source: ADR 0012.

    The live demographics under the outside id of each user whose deletion passes: always those
    whose own removal is held, and where `unasked` all that the source has not stated since. No
    guard counts them: whoever let the user go let them go.
    """
    leavers = {
        w.change.external_id: replace(
            w.change,
            entity="demographics",
            record=None,
            content_hash=b"",
            version=None,
            raw_hash=None,
        )
        for w in writes
        if w.content and w.change.entity == "user" and w.change.deleted
    }
    if not leavers:
        return ()
    known = await unit.records.known(place, [one.key for one in leavers.values()])
    standing = {key[1] for key, stored in known.items() if not stored.deleted}
    waiting = await unit.holds.leaving(place, "demographics", sorted(standing))
    others = standing - waiting if unasked else frozenset()
    as_of = await unit.records.stated_as_of(place)
    return (
        *settle([leavers[one] for one in sorted(waiting)], known, {}).writes,
        *settle([leavers[one] for one in sorted(others)], known, as_of).writes,
    )


async def _said(
    unit: Unit, place: Place, writes: Sequence[Write], identified: Identified
) -> Sequence[Said]:
    """What the writes make of their resolved records; others may speak for shared ones.

    Where authority is laid down every record asks who speaks for it, and the demographics of each
    person with it, because they follow the person's school.
    """
    authority = await unit.authority.of(place.district_id)
    said = {one.key: one for one in _stated(writes, identified.ids)}
    if authority.sources:
        for person in [one for one in said.values() if one.entity == "user"]:
            beside = replace(person, entity="demographics", record=None, gone="no_authority")
            said.setdefault(beside.key, beside)
        asked = list(said)
    else:
        asked = await _shared(unit, place, writes, identified)
    if not asked:
        return list(said.values())
    speaking = await spoken(unit, place.district_id, asked, authority=authority)
    heard = {key: _heard(said[key], speaking[key]) for key in asked if key in speaking}
    alone = said.keys() - set(asked)
    return [heard.get(key, one) for key, one in said.items() if key in heard or key in alone]


def _stated(writes: Sequence[Write], ids: Mapping[IdKey, str]) -> Iterator[Said]:
    """What the source itself says, in our ids; a deletion of what was never seen is left out."""
    for write in writes:
        change = write.change
        ours = ids.get(_own_id(write))
        if ours is None:
            continue
        gone = change.deleted or change.record is None
        yield Said(
            entity=change.entity,
            entity_id=ours,
            record=None if gone else with_ids(change.entity, change.record or {}, ids),
            cause=change.cause,
            gone="not_in_snapshot" if change.absent else "source_deleted",
        )


async def _shared(
    unit: Unit, place: Place, writes: Sequence[Write], identified: Identified
) -> list[ResolvedKey]:
    """The records of the writes behind which other outside ids stand, too."""
    ids, fresh = identified.ids, identified.fresh
    known = {
        (write.change.entity, ids[own])
        for write in writes
        if (own := _own_id(write)) in ids and own not in fresh
    }
    if not known:
        return []
    owners = {(id_space(entity), ours) for entity, ours in known}
    shared = await unit.crosswalk.shared(place.district_id, list(owners))
    return [(entity, ours) for entity, ours in known if (id_space(entity), ours) in shared]


def _heard(own: Said, spoken: Spoken | None) -> Said:
    """What is true once everybody who knows the record was asked."""
    if spoken is None:
        return replace(own, record=None)
    gone = own.gone if own.record is None else "no_authority"
    return replace(own, record=spoken.record, silent=spoken.silent, gone=gone)


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
