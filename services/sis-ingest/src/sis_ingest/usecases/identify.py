"""Identify: which of our ids the outside ids of a batch mean; those not seen before get one.

Runs inside the caller's unit.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from sis_ingest.domain.changes import Cause, ChangeKey, Origin, Write
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity, id_space
from sis_ingest.domain.identity import allot, candidate_id
from sis_ingest.domain.match_keys import match_keys
from sis_ingest.domain.matching import MATCHED
from sis_ingest.domain.references import IdKey, ids_in
from sis_ingest.domain.suggestions import Alike, alike, from_conflicts
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.meet import all_listed, no_list
from sis_ingest.usecases.recognise import Recognise, Recognised, Stranger
from sis_ingest.usecases.suggest import Suggest

_FILES: Final[Set[Origin]] = frozenset({"snapshot", "firstload"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """Our ids for every outside id of the batch; `fresh` are those minted just now."""

    ids: Mapping[IdKey, str]
    fresh: Set[IdKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identify:
    """Finds, recognises and mints ids."""

    clock: Clock
    ids: Ids
    recognise: Recognise
    suggest: Suggest

    async def __call__(
        self, unit: Unit, place: Place, writes: Sequence[Write], *, new: Set[ChangeKey]
    ) -> Identified:
        """Ids for the records and all they refer to; a deletion mints none.

        `new` are the records that the source never sent before. Never commits. Source: blueprint
        invariants 4 and 8, ADR 0014.
        """
        wanted = list(dict.fromkeys(_outside_ids(writes)))
        deleted = {
            (id_space(w.change.entity), w.change.external_id) for w in writes if w.change.deleted
        }
        found = await unit.crosswalk.find(place, list({*wanted, *deleted}))
        recognised = await self._recognise(unit, place, writes, found, new)
        known = {**found, **{key: ours for one in recognised for key, ours in one.ids.items()}}
        unseen = [key for key in wanted if key not in known]
        given = await self._mint(unit, place, unseen) if unseen else {}
        ids = {**known, **given}
        for one in recognised:
            await self.recognise.end(unit, place, one)
            await self._suggest(unit, place, one, ids, writes)
        return Identified(ids=ids, fresh=given.keys())

    async def _recognise(
        self,
        unit: Unit,
        place: Place,
        writes: Sequence[Write],
        found: Mapping[IdKey, str],
        new: Set[ChangeKey],
    ) -> Sequence[Recognised]:
        """Entity by entity, so that what a key refers to is known before it."""
        known = dict(found)
        recognised: list[Recognised] = []
        for space in MATCHED:
            strangers = _strangers(space, writes, new, known)
            if strangers:
                told = {stranger.cause.origin for stranger in strangers.values()}
                look = all_listed if told <= _FILES else no_list
                one = await self.recognise.link(unit, place, space, strangers, found, look)
                known.update(one.ids)
                recognised.append(one)
        return recognised

    async def _suggest(
        self,
        unit: Unit,
        place: Place,
        recognised: Recognised,
        ids: Mapping[IdKey, str],
        writes: Sequence[Write],
    ) -> None:
        space = recognised.space
        causes = {
            (space, w.change.external_id): w.change.cause
            for w in writes
            if w.change.entity == space
        }
        pairs: dict[Alike, Cause] = {}
        for key, near in recognised.near.items():
            for pair in from_conflicts(space, [(ids[key], near)]):
                pairs.setdefault(pair, causes[key])
        for one, other, rule in recognised.alike:
            if ids[one] != ids[other]:
                pairs.setdefault(alike(space, ids[one], ids[other], rule), causes[other])
        await self.suggest(unit, place.district_id, pairs)

    async def _mint(self, unit: Unit, place: Place, unseen: Sequence[IdKey]) -> Mapping[IdKey, str]:
        candidates = [
            (space, candidate)
            for space, outside in unseen
            if (candidate := candidate_id(outside)) is not None
        ]
        taken = await unit.crosswalk.taken(place.district_id, candidates)
        given = allot(unseen, taken, self.ids.new_id)
        await unit.crosswalk.link(place, given, rules={}, now=self.clock.now())
        return given


def _outside_ids(writes: Iterable[Write]) -> Iterable[IdKey]:
    for write in writes:
        change = write.change
        if not change.deleted and change.record is not None:
            yield from ids_in(change.entity, change.record)


def _strangers(
    space: Entity, writes: Iterable[Write], new: Set[ChangeKey], ids: Mapping[IdKey, str]
) -> Mapping[IdKey, Stranger]:
    found: dict[IdKey, Stranger] = {}
    for write in writes:
        change = write.change
        if change.entity != space or change.key not in new or change.deleted:
            continue
        keys = match_keys(space, change.record or {}, ids)
        if keys:
            found[space, change.external_id] = Stranger(
                keys=keys, cause=change.cause, at=change.occurred_at
            )
    return found
