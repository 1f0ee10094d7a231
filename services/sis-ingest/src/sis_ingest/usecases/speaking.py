"""Who speaks for a resolved record, in our ids. Runs inside the caller's unit; writes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

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
from sis_ingest.ports.units import Unit


async def spoken(
    unit: Unit,
    district_id: str,
    keys: Sequence[ResolvedKey],
    *,
    authority: Authority,
) -> Mapping[ResolvedKey, Spoken | None]:
    """What the speaker of each record says, under our ids; None when no source has it any more.

    Records that no source ever sent are left out.
    """
    found = await voices_behind(unit, district_id, keys, authority=authority)
    return {key: spoken_by(voices, authority) for key, voices in found.items()}


async def voices_behind(
    unit: Unit,
    district_id: str,
    keys: Sequence[ResolvedKey],
    *,
    authority: Authority,
) -> Mapping[ResolvedKey, Sequence[Voice]]:
    """The voices that may be heard of each record, in our ids and with their places.

    Where no authority is laid down places do not matter, and only the speaker is given.
    """
    people: list[ResolvedKey] = [("user", own) for entity, own in keys if entity == "demographics"]
    wanted = list(dict.fromkeys([*keys, *people] if authority.sources else keys))
    behind = await _behind(unit, district_id, wanted)
    if not authority.sources:
        behind = {
            key: [] if (one := speaker(voices, authority)) is None else [one]
            for key, voices in behind.items()
        }
    living = {key: alive(voices) for key, voices in behind.items()}
    ids = await _ids(unit, [voice for voices in living.values() for voice in voices])
    placed = {
        key: [_placed(voice, ids[voice.place]) for voice in voices]
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
    unit: Unit, district_id: str, keys: Sequence[ResolvedKey]
) -> Mapping[ResolvedKey, Sequence[Voice]]:
    """Every voice, alive or gone."""
    voices: dict[ResolvedKey, list[Voice]] = {}
    for voice in await unit.voices.behind(district_id, keys):
        voices.setdefault((voice.entity, voice.entity_id), []).append(voice)
    return voices


async def _ids(unit: Unit, voices: Sequence[Voice]) -> Mapping[Place, Mapping[IdKey, str]]:
    wanted: dict[Place, set[IdKey]] = {}
    for voice in voices:
        if voice.record is not None:
            wanted.setdefault(voice.place, set()).update(ids_in(voice.entity, voice.record))
    return {place: await unit.crosswalk.find(place, list(keys)) for place, keys in wanted.items()}


def _placed(voice: Voice, ids: Mapping[IdKey, str]) -> Voice:
    """The voice in our ids, with the place it gives the record."""
    if voice.record is None:
        return voice
    record = {**with_ids(voice.entity, voice.record, ids), "sourcedId": voice.entity_id}
    return replace(voice, record=record, school_id=school_of(voice.entity, record))


def _beside(voice: Voice, people: Iterable[Voice]) -> Voice:
    """Demographics with the place that the same source gives their person."""
    person = oldest(one for one in people if one.place == voice.place)
    return replace(voice, school_id=DISTRICT if person is None else person.school_id)
