"""Background work: applies what the doors accepted, poked by them, with a slow look besides.

The poke spares waiting; the look makes sure that nothing waits for ever after a crash.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Final

import structlog

from roster_common.ports import Clock
from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping, go_on_without
from roster_common.runtime.metrics import metric
from sis_ingest.domain.runs import Run
from sis_ingest.entrypoints.jobs.resting import Resting
from sis_ingest.ports.desks import RunDesk
from sis_ingest.ports.sources import Source, Sources
from sis_ingest.usecases.apply_deliveries import SEALED, ApplyDeliveries
from sis_ingest.usecases.import_snapshot import ImportSnapshot

logger = structlog.get_logger(__name__)

LOOP: Final = "apply-deliveries"
_LOOK_EVERY_S: Final = 0.5
# Short: mostly it is the database that was away.
_REST_S: Final = 1.0
_OUTCOMES: Final = (
    "read", "changed", "unchanged", "refused", "missing", "removed", "held", "skipped",
)  # fmt: skip
# A batch costs about the same whether it holds one delivery or many, so under load deliveries
# gather for this long after each batch; the first one after a quiet moment never waits.
_GATHER_S: Final = 0.02


class DeliveryApplier:
    """The loop behind the webhook door, for all sources whose webhooks say what changed.

    A source whose webhooks cannot be applied rests for a while, and keeps no other one waiting.
    """

    def __init__(
        self, apply: ApplyDeliveries, sources: Sources, runs: RunDesk, ear: Ear, clock: Clock
    ) -> None:
        self._apply = apply
        self._sources = sources
        self._runs = runs
        self._ear = ear
        self._resting = Resting(clock, rest_s=_REST_S)

    async def run(self, stopping: Stopping) -> None:
        """Apply until stopped."""
        while not stopping.is_set():
            applied = False
            for source in self._of(await self._runs.sources_waiting()):
                try:
                    applied |= await self._all_of(source, stopping)
                except Exception as error:  # noqa: BLE001 - counted and logged; it is tried again
                    go_on_without(LOOP, error, source=source.place.source_id)
                    self._resting.begin(source.place.source_id)
            if applied:
                await stopping.wait(_GATHER_S)
            await self._ear.wait(_LOOK_EVERY_S)

    async def _all_of(self, source: Source, stopping: Stopping) -> bool:
        """Whether anything of the source was applied."""
        applied, more = False, True
        while more and not stopping.is_set():
            batch = await self._apply(source)
            applied |= bool(batch.ends)
            _note_sealed(source, sum(end.outcome == SEALED for end in batch.ends))
            more = batch.more
        return applied

    def _of(self, source_ids: Sequence[str]) -> list[Source]:
        awake = [one for one in source_ids if one not in self._resting.names()]
        found = (self._sources.get(source_id) for source_id in awake)
        return [source for source in found if source is not None and source.hints is None]


def _note_sealed(source: Source, times: int) -> None:
    """Says aloud that a key is missing: nothing else notices before the bodies are purged."""
    if times:
        metric("deliveries_total").labels(source=source.place.source_id, outcome=SEALED).inc(times)
        logger.error("deliveries_sealed", source=source.place.source_id, deliveries=times)


class SnapshotImporter:
    """The loops behind the file door: one run of a source at a time, oldest first.

    A long run keeps one loop busy and other sources go on in the others; of those that wait, the
    source that was served longest ago comes first. Runs of one district take turns at its lock.
    """

    def __init__(self, import_snapshot: ImportSnapshot, sources: Sources, runs: RunDesk) -> None:
        self._import = import_snapshot
        self._sources = sources
        self._runs = runs
        self._busy: set[str] = set()
        self._served: dict[str, int] = {}
        self._turns = count(1)

    def loop(self, ear: Ear) -> Callable[[Stopping], Awaitable[None]]:
        """One of the loops."""

        async def run(stopping: Stopping) -> None:
            """Import until stopped; a run cut off is taken up again at the next start."""
            while not stopping.is_set():
                if not await self._one():
                    await ear.wait(_LOOK_EVERY_S)

        return run

    async def _one(self) -> bool:
        """Carries one run to its end; False when there was none to take."""
        ids = [source.place.source_id for source in self._sources.all()]
        found = await self._runs.open([one for one in ids if one not in self._busy])
        # Another loop may have taken a source while this one was looking.
        free = [run for run in found if run.place.source_id not in self._busy]
        if not free:
            return False
        run = min(free, key=lambda one: self._served.get(one.place.source_id, 0))
        source = self._sources.get(run.place.source_id)
        if source is None:
            return False
        with self._taken(run.place.source_id):
            _count(await self._import(source, run))
        return True

    @contextmanager
    def _taken(self, source_id: str) -> Iterator[None]:
        self._busy.add(source_id)
        self._served[source_id] = next(self._turns)
        try:
            yield
        finally:
            self._busy.discard(source_id)


def _count(run: Run) -> None:
    if run.dry_run:
        return
    for entity, counts in run.report.collections.items():
        for outcome in _OUTCOMES:
            metric("run_records_total").labels(entity=entity, outcome=outcome).inc(
                getattr(counts, outcome)
            )
