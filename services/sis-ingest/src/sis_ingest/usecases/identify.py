"""Identify: which of our ids the outside ids of a batch mean; those not seen before get one.

Runs inside the caller's unit.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from sis_ingest.domain.changes import ChangeKey, Write
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import id_space
from sis_ingest.domain.identity import allot, candidate_id
from sis_ingest.domain.matching import match_keys
from sis_ingest.domain.references import IdKey, ids_in
from sis_ingest.ports import Clock, Ids, Unit
from sis_ingest.usecases.recognise import Moves, Recognise, Stranger


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
        recognised: Mapping[IdKey, str] = {}
        moves = Moves(pairs={})
        if strangers := _strangers(writes, new):
            recognised, moves = await self.recognise.link(unit, place, strangers, found)
        unseen = [key for key in wanted if key not in found and key not in recognised]
        given = await self._mint(unit, place, unseen) if unseen else {}
        await self.recognise.end(unit, place, moves)
        return Identified(ids={**found, **recognised, **given}, fresh=given.keys())

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


def _strangers(writes: Iterable[Write], new: Set[ChangeKey]) -> Mapping[IdKey, Stranger]:
    found: dict[IdKey, Stranger] = {}
    for write in writes:
        change = write.change
        if change.entity != "user" or change.key not in new or change.deleted:
            continue
        keys = match_keys(change.record or {})
        if keys:
            found["user", change.external_id] = Stranger(
                keys=keys, cause=change.cause, at=change.occurred_at
            )
    return found
