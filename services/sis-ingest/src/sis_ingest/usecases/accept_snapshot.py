"""Accept a snapshot file: on disk for good, a run recorded, and only then say yes."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from roster_common.errors import Invalid
from sis_ingest.domain.drops import Taken
from sis_ingest.domain.runs import Run
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.files import SnapshotFiles
from sis_ingest.ports.sources import Source
from sis_ingest.ports.units import Units

# No file speaks of a time before, and the store cannot keep the first hours of the calendar.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NOTHING: Final[Mapping[str, datetime]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptSnapshot:
    """Keeps snapshot files. `poke` wakes whoever imports them; called after the commit."""

    units: Units
    files: SnapshotFiles
    clock: Clock
    ids: Ids
    limit_bytes: int
    poke: Callable[[], None]

    async def __call__(
        self,
        source: Source,
        chunks: AsyncIterator[bytes],
        *,
        correlation_id: str,
        as_of: datetime | None = None,
        dry_run: bool = False,
        taken: Sequence[Taken] = (),
        unchanged: Mapping[str, datetime] = _NOTHING,
    ) -> Run:
        """The waiting run. Commits. Each call is a run of its own; a repeated file changes nothing.

        A `dry_run` only finds out what would be done. `as_of` is the moment the file speaks of,
        by default now. `taken` are the files of a drop that it came from, remembered with the run;
        `unchanged` those of its package that speak of an earlier moment.
        Raises `TooLarge`, `Invalid` naming the parameter, or `AlreadyTaken`. A crash between file
        and row leaves a file that nothing refers to.
        """
        now = self.clock.now()
        if as_of is not None and as_of > now:
            raise Invalid("in_the_future", field="asOf")
        if as_of is not None and as_of < EARLIEST:
            raise Invalid("out_of_range", field="asOf")
        run_id = self.ids.new_id()
        stored = await self.files.store(run_id, chunks, limit_bytes=self.limit_bytes)
        run = Run(
            run_id=run_id,
            delivery_id=self.ids.new_id(),
            correlation_id=correlation_id,
            place=source.place,
            state="waiting",
            origin=None,
            file_name=stored.name,
            file_bytes=stored.size_bytes,
            sha256=stored.sha256,
            received_at=now,
            as_of=as_of or now,
            unchanged=unchanged,
            dry_run=dry_run,
        )
        async with self.units.begin("store_snapshot") as unit:
            await unit.deliveries.put_file(run)
            await unit.runs.add(run)
            if taken:
                await unit.taken.remember(run, taken)
        self.poke()
        return run
