"""Link a staged snapshot: users under new outside ids are recognised before anything is applied.

A source that re-keys its records sends a file in which every old id is absent and every new one a
stranger. Linked first, no old id's absence is a removal and no new one an addition.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.matching import match_keys
from sis_ingest.domain.references import IdKey
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import Collection, StagedRow, is_whole
from sis_ingest.ports import Unit, Units
from sis_ingest.usecases.recognise import Recognise, Stranger

BATCH_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSnapshot:
    """Recognises the new users of a run."""

    units: Units
    recognise: Recognise

    async def __call__(self, run: Run, collections: Sequence[Collection]) -> int:
        """How many people the source knows by another id from now on.

        Commits per batch; a second time finds nobody new.

        To be called after staging and before anything compares, guards or applies. A first load
        into an empty district costs one look. Absence counts only in a whole, newer collection.
        """
        collection = next((c for c in collections if c.entity == "user"), None)
        if collection is None:
            return 0
        whole = is_whole(collection, run.report)
        rekeyed = 0
        after = ""
        while True:
            async with self.units.begin("stage") as unit:
                await unit.lock_district(run.place.district_id)
                rows = await unit.voices.staged_strangers(run, after=after, limit=BATCH_ROWS)
                if not rows:
                    return rekeyed
                rekeyed += await self._link(unit, run, rows, whole=whole)
            after = rows[-1].external_id

    async def _link(self, unit: Unit, run: Run, rows: Sequence[StagedRow], *, whole: bool) -> int:
        strangers: dict[IdKey, Stranger] = {}
        cause = Cause(
            correlation_id=run.correlation_id,
            delivery_id=run.delivery_id,
            origin=run.origin or "snapshot",
        )
        for row in rows:
            keys = match_keys(orjson.loads(row.body or b"{}"))
            if keys:
                strangers["user", row.external_id] = Stranger(keys=keys, cause=cause, at=run.as_of)
        found = await unit.crosswalk.find(run.place, list(strangers))
        ids, moves = await self.recognise.link(
            unit, run.place, strangers, found, partial(_absent, unit, run, whole)
        )
        await self.recognise.end(unit, run.place, moves)
        return await _rekeyed(unit, run, ids)


async def _absent(unit: Unit, run: Run, whole: bool, ids: Sequence[str]) -> Set[str]:
    return await unit.voices.staged_absent(run, ids) if whole and ids else frozenset()


async def _rekeyed(unit: Unit, run: Run, ids: Mapping[IdKey, str]) -> int:
    """Of those recognised, the people for whom the source had an id before."""
    if not ids:
        return 0
    fresh = {outside for _, outside in ids}
    meanings = await unit.crosswalk.history(run.place.district_id, "user", sorted({*ids.values()}))
    return len(
        {
            meaning.entity_id
            for meaning in meanings
            if meaning.source_id == run.place.source_id
            and meaning.valid_to is None
            and meaning.external_id not in fresh
        }
    )
