"""Meet: whom records under outside ids not seen before may mean. Reads only.

Runs inside the caller's unit, which must hold the district's lock.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Final, TypeAlias

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.match_keys import MatchKeys, match_keys
from sis_ingest.domain.matching import Holder, Matched, find_matches
from sis_ingest.domain.publish import Resolved, ResolvedKey
from sis_ingest.domain.references import IdKey
from sis_ingest.domain.snapshots import Listing
from sis_ingest.ports.units import Unit

_NOBODY: Final = Matched(matches={}, conflicts={})

# What the source's list at hand says of these outside ids.
Look: TypeAlias = Callable[[Sequence[str]], Awaitable[Listing]]


async def no_list(_external_ids: Sequence[str]) -> Listing:
    """For webhooks: they say nothing of others."""
    return Listing()


async def all_listed(external_ids: Sequence[str]) -> Listing:
    """For rows of a file as they are applied: whom it does not name was asked before that."""
    return Listing(listed=frozenset(external_ids))


async def unknown_of(
    unit: Unit, place: Place, keys: Mapping[IdKey, MatchKeys], found: Mapping[IdKey, str]
) -> Mapping[IdKey, MatchKeys]:
    """Those without a record yet: an id that only references gave so far has none."""
    given: list[ResolvedKey] = [(key[0], found[key]) for key in keys if key in found]
    known = await unit.records.resolved(place.district_id, given) if given else {}
    return {key: one for key, one in keys.items() if (key[0], found.get(key, "")) not in known}


async def meet(
    unit: Unit,
    place: Place,
    space: Entity,
    unknown: Mapping[IdKey, MatchKeys],
    look: Look,
    predecessors: Sequence[str],
) -> tuple[Matched, Mapping[str, Set[str]]]:
    """Whom they mean, and the outside ids that live of those who carry their keys.

    Whose removal waits in a hold has left the id, as far as the source is concerned.
    """
    keys = [one for one in unknown.values() if one]
    if not keys:
        return _NOBODY, {}
    holders = [
        *await unit.voices.holders(place.district_id, space, keys),
        *await _bearers(unit, place, space, keys, predecessors),
    ]
    if not holders:
        return _NOBODY, {}
    live = await unit.voices.live(place, space, [holder.entity_id for holder in holders])
    outside = [one for ids in live.values() for one in ids]
    listing = await look(outside)
    left = listing.absent | await unit.holds.leaving(place, space, outside)
    busy = {ours: ids - left for ours, ids in live.items()}
    known = await _known_to(unit, place, space, holders)
    return find_matches(unknown, known, busy, listing.listed - left), live


async def _known_to(
    unit: Unit, place: Place, space: Entity, holders: Sequence[Holder]
) -> Sequence[Holder]:
    """The holders, with which sources know them today."""
    met = [holder.entity_id for holder in holders]
    sources: dict[str, set[str]] = {}
    for meaning in await unit.crosswalk.history(place.district_id, space, met):
        if meaning.valid_to is None:
            sources.setdefault(meaning.entity_id, set()).add(meaning.source_id)
    supplements = (await unit.authority.of(place.district_id)).supplements
    return [
        replace(
            one,
            at_home=place.source_id in sources.get(one.entity_id, ()),
            hearsay=place.source_id in supplements
            or sources.get(one.entity_id, set()) <= supplements,
        )
        for one in holders
    ]


async def _bearers(
    unit: Unit,
    place: Place,
    space: Entity,
    keys: Sequence[MatchKeys],
    predecessors: Sequence[str],
) -> Sequence[Holder]:
    """The records that their legacy ids mean, in the source or in one before it."""
    legacy: list[IdKey] = [(space, one) for k in keys for one in k.legacy_ids]
    if not legacy:
        return ()
    outside: dict[str, set[str]] = {}
    for source_id in (place.source_id, *predecessors):
        there = Place(district_id=place.district_id, source_id=source_id)
        for (_, one), ours in (await unit.crosswalk.find(there, legacy)).items():
            outside.setdefault(ours, set()).add(one)
    wanted: list[ResolvedKey] = [(space, ours) for ours in outside]
    records = await unit.records.resolved(place.district_id, wanted)
    return [_bearer(ours, ids, records.get((space, ours))) for ours, ids in outside.items()]


def _bearer(entity_id: str, outside: Set[str], known: Resolved | None) -> Holder:
    if known is None:
        return Holder(entity_id=entity_id, keys=MatchKeys(kind=""), outside=outside)
    keys = match_keys(known.entity, known.record)
    return Holder(entity_id=entity_id, keys=keys, outside=outside, gone=known.deleted)
