"""Weigh a flip: what others would be told if authority over one place passed on. Writes nothing."""

from dataclasses import dataclass
from typing import Final

from sis_ingest.domain.authority import Authority
from sis_ingest.domain.entities import IMPORT_ORDER, Entity
from sis_ingest.domain.flips import Differences, Flip, passing, retell
from sis_ingest.ports.units import Units
from sis_ingest.usecases.speaking import voices_behind

PAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighFlip:
    """Compares every resolved record of a district with what it would be."""

    units: Units

    async def __call__(self, flip: Flip, *, before: Authority, after: Authority) -> Differences:
        """The differences, by a look at a thousand records at a time; what changes meanwhile may
        be missing. Both ways of authority ask the same voices, so some of it must be laid down in
        one of them.
        """
        differences = Differences()
        for entity in IMPORT_ORDER:
            last: str | None = ""
            while last is not None:
                last = await self._page(flip, entity, last, differences, before, after)
        return differences

    async def _page(
        self,
        flip: Flip,
        entity: Entity,
        last: str,
        differences: Differences,
        before: Authority,
        after: Authority,
    ) -> str | None:
        """The id to go on after, None at the end."""
        district_id = flip.order.district_id
        async with self.units.begin("run") as unit:
            page = await unit.records.of_entity(district_id, entity, after=last, limit=PAGE)
            records = {(one.entity, one.entity_id): one for one in page}
            voices = await voices_behind(
                unit,
                district_id,
                list(records),
                authority=after if after.sources else before,
            )
        published = retell(district_id, records, voices, authority=after, cause=flip.cause)
        differences.add(records, published.records)
        for passed in passing(voices, before=before, after=after):
            differences.key_changes[passed] = differences.key_changes.get(passed, 0) + 1
        return page[-1].entity_id if len(page) == PAGE else None
