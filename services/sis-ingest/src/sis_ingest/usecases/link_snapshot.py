"""Link a staged snapshot: what has a new outside id is recognised before anything is applied.

A source that re-keys its records sends a file in which every old id is absent and every new one a
stranger. Linked first, no old id's absence is a removal and no new one an addition.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson

from sis_ingest.domain.changes import Cause
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.match_keys import MatchKeys, match_keys
from sis_ingest.domain.matching import MATCHED
from sis_ingest.domain.records import Record
from sis_ingest.domain.references import IdKey, ids_in
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import Collection, Listing, Repeated, StagedRow, is_whole
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.recognise import Recognise, Stranger

BATCH_ROWS: Final = 1_000
PAIRS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSnapshot:
    """Recognises what is new in a run."""

    units: Units
    recognise: Recognise

    async def __call__(self, run: Run, collections: Sequence[Collection]) -> int:
        """How many people the source knows by another id from now on.

        Commits per batch; a second time links nothing new, and counts the same. Ids that a source
        takes back are turned back first, and are not counted.

        To be called after staging and before anything compares, guards or applies. A first load
        into an empty district costs one look. Absence counts only in a whole, newer collection.
        """
        whole_ones = [one.entity for one in collections if is_whole(one, run.report)]
        for entity in (*MATCHED, "enrollment"):
            if entity in whole_ones:
                await self._returned(run, entity)
        linked = run.attempts > 1
        for space in MATCHED:
            for collection in collections:
                if collection.entity == space:
                    linked |= await self._all_of(run, space, whole=space in whole_ones)
        if "enrollment" in whole_ones:
            await self._enrollments(run)
        if not linked:
            return 0
        async with self.units.begin("stage") as unit:
            return await unit.voices.rekeyed(run)

    async def _all_of(self, run: Run, space: Entity, *, whole: bool) -> bool:
        """Whether it recognised anything."""
        linked = False
        after = ""
        while True:
            async with self.units.begin("link") as unit:
                await unit.lock_district(run.place.district_id)
                rows = await unit.voices.staged_strangers(run, space, after=after, limit=BATCH_ROWS)
                if not rows:
                    return linked
                linked |= await self._link(unit, run, space, rows, whole=whole)
            after = rows[-1].external_id

    async def _link(
        self, unit: Unit, run: Run, space: Entity, rows: Sequence[StagedRow], *, whole: bool
    ) -> bool:
        cause = _cause(run)
        records: Mapping[IdKey, Record] = {
            (space, row.external_id): orjson.loads(row.body or b"{}") for row in rows
        }
        wanted = {key for record in records.values() for key in ids_in(space, record)}
        found = await unit.crosswalk.find(run.place, list(wanted))
        strangers = {
            key: Stranger(keys=keys, cause=cause, at=run.moment(space))
            for key, record in records.items()
            if (keys := match_keys(space, record, found))
        }
        recognised = await self.recognise.link(
            unit, run.place, space, strangers, found, partial(_look, unit, run, space, whole)
        )
        await self.recognise.end(unit, run.place, recognised)
        return bool(recognised.ids)

    async def _enrollments(self, run: Run) -> None:
        """They have no key of their own: who is still in the class is so under another id."""

        async def link(unit: Unit, pairs: Sequence[Repeated]) -> None:
            await self.recognise.replace(
                unit, run.place, "enrollment", _strangers(run, pairs), pairs
            )

        async with self.units.begin("link") as unit:
            await unit.lock_district(run.place.district_id)
            found = await unit.pairs.keep_enrollments(run)
        if found:
            await self._pairs(run, "enrollment", link)

    async def _returned(self, run: Run, entity: Entity) -> None:
        """A source that takes its new ids back: they are no removals, whoever has them lives on."""

        async def turn(unit: Unit, pairs: Sequence[Repeated]) -> None:
            await self.recognise.turn_back(
                unit, run.place, entity, _cause(run), run.moment(entity), pairs
            )

        async with self.units.begin("link") as unit:
            found = await unit.pairs.keep_returned(run, entity)
        if found:
            await self._pairs(run, entity, turn)

    async def _pairs(
        self,
        run: Run,
        entity: Entity,
        carry_out: Callable[[Unit, Sequence[Repeated]], Awaitable[None]],
    ) -> None:
        after = ""
        while True:
            async with self.units.begin("link") as unit:
                await unit.lock_district(run.place.district_id)
                pairs = await unit.pairs.page(run, entity, after=after, limit=PAIRS)
                if not pairs:
                    return
                await carry_out(unit, pairs)
            after = pairs[-1].new_id


def _strangers(run: Run, pairs: Sequence[Repeated]) -> Mapping[IdKey, Stranger]:
    cause = _cause(run)
    return {
        ("enrollment", one.new_id): Stranger(
            keys=MatchKeys(kind="enrollment"), cause=cause, at=run.moment("enrollment")
        )
        for one in pairs
    }


def _cause(run: Run) -> Cause:
    return Cause(
        correlation_id=run.correlation_id,
        delivery_id=run.delivery_id,
        origin=run.origin or "snapshot",
    )


async def _look(unit: Unit, run: Run, space: Entity, whole: bool, ids: Sequence[str]) -> Listing:
    return await unit.voices.staged_listing(run, space, ids, whole=whole) if ids else Listing()
