"""Who speaks for a resolved record, in our ids. Runs inside the caller's unit; writes nothing."""

from collections.abc import Mapping, Sequence

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.publish import ResolvedKey, Voice, speaker
from sis_ingest.domain.records import Record
from sis_ingest.domain.references import IdKey, ids_in, with_ids
from sis_ingest.ports import Unit


async def spoken(
    unit: Unit, district_id: str, keys: Sequence[ResolvedKey], *, moved: Mapping[IdKey, str]
) -> Mapping[ResolvedKey, Record | None]:
    """What the speaker of each record says, under our ids; None when no source has it any more.

    Records that no source ever sent are left out. `moved` holds ids of ours that are about to
    become others (empty when the crosswalk says it all): what stands behind them counts as behind
    the others, as the last to have come.
    """
    wanted = [*keys, *((entity, old) for entity, new in keys for old in _moved_to(moved, new))]
    voices: dict[ResolvedKey, list[Voice]] = {}
    for voice in await unit.voices.behind(district_id, wanted):
        voices.setdefault((voice.entity, voice.entity_id), []).append(voice)
    chosen: dict[ResolvedKey, Voice | None] = {}
    for key in keys:
        own = voices.get(key, [])
        joined = [v for old in _moved_to(moved, key[1]) for v in voices.get((key[0], old), [])]
        if own or joined:
            chosen[key] = speaker(own) or speaker(joined)
    ids = await _ids(unit, [voice for voice in chosen.values() if voice is not None])
    return {
        key: None if voice is None else _translated(voice, ids, moved, key[1])
        for key, voice in chosen.items()
    }


def _moved_to(moved: Mapping[IdKey, str], kept: str) -> Sequence[str]:
    return [old for (_, old), new in moved.items() if new == kept]


async def _ids(unit: Unit, voices: Sequence[Voice]) -> Mapping[Place, Mapping[IdKey, str]]:
    wanted: dict[Place, set[IdKey]] = {}
    for voice in voices:
        if voice.record is not None:
            wanted.setdefault(voice.place, set()).update(ids_in(voice.entity, voice.record))
    return {place: await unit.crosswalk.find(place, list(keys)) for place, keys in wanted.items()}


def _translated(
    voice: Voice,
    ids: Mapping[Place, Mapping[IdKey, str]],
    moved: Mapping[IdKey, str],
    own: str,
) -> Record | None:
    if voice.record is None:
        return None
    now = {key: moved.get((key[0], ours), ours) for key, ours in ids[voice.place].items()}
    return {**with_ids(voice.entity, voice.record, now), "sourcedId": own}
