"""Link a staged snapshot: what has a new outside id is recognised before anything is applied.

A source that re-keys its records sends a file in which every old id is absent and every new one a
stranger. Linked first, no old id's absence is a removal and no new one an addition.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.match_keys import match_keys
from sis_ingest.domain.matching import MATCHED
from sis_ingest.domain.records import Record
from sis_ingest.domain.references import IdKey, ids_in
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import Collection, StagedRow, is_whole
from sis_ingest.ports import Unit, Units
from sis_ingest.usecases.recognise import Recognise, Stranger

BATCH_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSnapshot:
    """Recognises what is new in a run."""

    units: Units
    recognise: Recognise

    async def __call__(self, run: Run, collections: Sequence[Collection]) -> int:
        """How many people the source knows by another id from now on.

        Commits per batch; a second time finds nothing new.

        To be called after staging and before anything compares, guards or applies. A first load
        into an empty district costs one look. Absence counts only in a whole, newer collection.
        """
        rekeyed = 0
        for space in MATCHED:
            for collection in collections:
                if collection.entity == space:
                    whole = is_whole(collection, run.report)
                    found = await self._all_of(run, space, whole=whole)
                    rekeyed += found if space == "user" else 0
        return rekeyed

    async def _all_of(self, run: Run, space: Entity, *, whole: bool) -> int:
        rekeyed = 0
        after = ""
        while True:
            async with self.units.begin("stage") as unit:
                await unit.lock_district(run.place.district_id)
                rows = await unit.voices.staged_strangers(run, space, after=after, limit=BATCH_ROWS)
                if not rows:
                    return rekeyed
                rekeyed += await self._link(unit, run, space, rows, whole=whole)
            after = rows[-1].external_id

    async def _link(
        self, unit: Unit, run: Run, space: Entity, rows: Sequence[StagedRow], *, whole: bool
    ) -> int:
        cause = Cause(
            correlation_id=run.correlation_id,
            delivery_id=run.delivery_id,
            origin=run.origin or "snapshot",
        )
        records: Mapping[IdKey, Record] = {
            (space, row.external_id): orjson.loads(row.body or b"{}") for row in rows
        }
        wanted = {key for record in records.values() for key in ids_in(space, record)}
        found = await unit.crosswalk.find(run.place, list(wanted))
        strangers = {
            key: Stranger(keys=keys, cause=cause, at=run.as_of)
            for key, record in records.items()
            if (keys := match_keys(space, record, found))
        }
        recognised = await self.recognise.link(
            unit, run.place, space, strangers, found, partial(_absent, unit, run, space, whole)
        )
        await self.recognise.end(unit, run.place, recognised)
        return await _rekeyed(unit, run, space, recognised.ids)


async def _absent(unit: Unit, run: Run, space: Entity, whole: bool, ids: Sequence[str]) -> Set[str]:
    return await unit.voices.staged_absent(run, space, ids) if whole and ids else frozenset()


async def _rekeyed(unit: Unit, run: Run, space: Entity, ids: Mapping[IdKey, str]) -> int:
    """Of those recognised, the ones for whom the source had an id before."""
    if not ids:
        return 0
    fresh = {outside for _, outside in ids}
    meanings = await unit.crosswalk.history(run.place.district_id, space, sorted({*ids.values()}))
    return len(
        {
            meaning.entity_id
            for meaning in meanings
            if meaning.source_id == run.place.source_id
            and meaning.valid_to is None
            and meaning.external_id not in fresh
        }
    )
