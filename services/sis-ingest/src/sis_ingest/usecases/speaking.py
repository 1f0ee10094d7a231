"""Who speaks for a resolved record, in our ids. Runs inside the caller's unit; writes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from sis_ingest.domain.authority import (
    DISTRICT,
    Authority,
    Spoken,
    alive,
    oldest,
    school_of,
    speaker,
    spoken_by,
)
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.publish import ResolvedKey, Voice
from sis_ingest.domain.references import IdKey, ids_in, with_ids
from sis_ingest.ports import Unit

_LAST: Final = datetime.max.replace(tzinfo=UTC)


async def spoken(
    unit: Unit,
    district_id: str,
    keys: Sequence[ResolvedKey],
    *,
    moved: Mapping[IdKey, str],
    authority: Authority,
) -> Mapping[ResolvedKey, Spoken | None]:
    """What the speaker of each record says, under our ids; None when no source has it any more.

    Records that no source ever sent are left out. `moved` holds ids of ours that are about to
    become others (empty when the crosswalk says it all): what stands behind them counts as behind
    the others, as the last to have come.
    """
    found = await voices_behind(unit, district_id, keys, moved=moved, authority=authority)
    return {key: spoken_by(voices, authority) for key, voices in found.items()}


async def voices_behind(
    unit: Unit,
    district_id: str,
    keys: Sequence[ResolvedKey],
    *,
    moved: Mapping[IdKey, str],
    authority: Authority,
) -> Mapping[ResolvedKey, Sequence[Voice]]:
    """The voices that may be heard of each record, in our ids and with their places.

    Where no authority is laid down places do not matter, and only the speaker is given.
    """
    people: list[ResolvedKey] = [("user", own) for entity, own in keys if entity == "demographics"]
    wanted = list(dict.fromkeys([*keys, *people] if authority.sources else keys))
    behind = await _behind(unit, district_id, wanted, moved)
    if not authority.sources:
        behind = {
            key: [] if (one := speaker(voices, authority)) is None else [one]
            for key, voices in behind.items()
        }
    living = {key: alive(voices) for key, voices in behind.items()}
    ids = await _ids(unit, [voice for voices in living.values() for voice in voices])
    placed = {
        key: [_placed(voice, ids[voice.place], moved, key[1]) for voice in voices]
        for key, voices in living.items()
    }
    return {
        key: [_beside(voice, placed.get(("user", key[1]), ())) for voice in placed[key]]
        if key[0] == "demographics"
        else placed[key]
        for key in keys
        if key in placed
    }


async def _behind(
    unit: Unit, district_id: str, keys: Sequence[ResolvedKey], moved: Mapping[IdKey, str]
) -> Mapping[ResolvedKey, Sequence[Voice]]:
    """Every voice, alive or gone, by the key that it stands behind, or will."""
    olds: dict[str, list[str]] = {}
    for (_, old), new in moved.items():
        olds.setdefault(new, []).append(old)
    will = {(entity, old): (entity, own) for entity, own in keys for old in olds.get(own, ())}
    voices: dict[ResolvedKey, list[Voice]] = {}
    for voice in await unit.voices.behind(district_id, [*keys, *will]):
        key = (voice.entity, voice.entity_id)
        if key in will:
            voices.setdefault(will[key], []).append(replace(voice, since=_LAST))
        else:
            voices.setdefault(key, []).append(voice)
    return voices


async def _ids(unit: Unit, voices: Sequence[Voice]) -> Mapping[Place, Mapping[IdKey, str]]:
    wanted: dict[Place, set[IdKey]] = {}
    for voice in voices:
        if voice.record is not None:
            wanted.setdefault(voice.place, set()).update(ids_in(voice.entity, voice.record))
    return {place: await unit.crosswalk.find(place, list(keys)) for place, keys in wanted.items()}


def _placed(voice: Voice, ids: Mapping[IdKey, str], moved: Mapping[IdKey, str], own: str) -> Voice:
    """The voice in our ids, with the place it gives the record."""
    if voice.record is None:
        return voice
    now = {key: moved.get((key[0], ours), ours) for key, ours in ids.items()}
    record = {**with_ids(voice.entity, voice.record, now), "sourcedId": own}
    return replace(voice, record=record, school_id=school_of(voice.entity, record))


def _beside(voice: Voice, people: Iterable[Voice]) -> Voice:
    """Demographics with the place that the same source gives their person."""
    person = oldest(one for one in people if one.place == voice.place)
    return replace(voice, school_id=DISTRICT if person is None else person.school_id)
