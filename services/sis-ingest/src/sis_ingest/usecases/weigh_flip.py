"""Weigh a flip: what others would be told if authority over one place passed on. Writes nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sis_ingest.domain.authority import Authority
from sis_ingest.domain.entities import IMPORT_ORDER, Entity
from sis_ingest.domain.flips import Differences, Flip, passing, retell
from sis_ingest.ports.units import Units
from sis_ingest.usecases.speaking import voices_behind

PAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """How far one is: `read` of so many records."""

    read: int
    of: int


class Weighings:
    """How far the weighings of this process are, by district: the newest of each.

    For people who wait. Nothing rests on it, so that it is kept nowhere.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, Weighing] = {}

    def get(self, district_id: str) -> Weighing | None:
        """None while nothing is weighed."""
        return self._under_way.get(district_id)

    @contextmanager
    def begun(self, district_id: str, *, of: int) -> Iterator[Callable[[int], None]]:
        """Gives a function that is told how many more were read."""

        def read(more: int) -> None:
            before = self._under_way.get(district_id, Weighing(read=0, of=of))
            # What came meanwhile is read as well.
            far = before.read + more
            self._under_way[district_id] = Weighing(read=far, of=max(of, far))

        self._under_way[district_id] = Weighing(read=0, of=of)
        try:
            yield read
        finally:
            self._under_way.pop(district_id, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighFlip:
    """Compares every resolved record of a district with what it would be."""

    units: Units
    weighings: Weighings = field(default_factory=Weighings)

    async def __call__(self, flip: Flip, *, before: Authority, after: Authority) -> Differences:
        """The differences, by a look at a thousand records at a time; what changes meanwhile may
        be missing. Both ways of authority ask the same voices, so some of it must be laid down in
        one of them.
        """
        differences = Differences()
        district_id = flip.order.district_id
        async with self.units.begin("run") as unit:
            total = await unit.records.count(district_id)
        with self.weighings.begun(district_id, of=total) as read:
            for entity in IMPORT_ORDER:
                last: str | None = ""
                while last is not None:
                    last, seen = await self._page(flip, entity, last, differences, before, after)
                    read(seen)
        return differences

    async def _page(
        self,
        flip: Flip,
        entity: Entity,
        last: str,
        differences: Differences,
        before: Authority,
        after: Authority,
    ) -> tuple[str | None, int]:
        """The id to go on after, None at the end; and how many were read."""
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
        return page[-1].entity_id if len(page) == PAGE else None, len(page)
