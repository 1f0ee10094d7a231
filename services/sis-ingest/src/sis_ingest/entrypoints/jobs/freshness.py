"""How long ago each source was heard of with success: a metric, and a part of readiness."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from roster_common.ports import Clock
from roster_common.runtime.health import Check
from roster_common.runtime.metrics import metric
from sis_ingest.ports.desks import RunDesk
from sis_ingest.ports.sources import Source, Sources

LOOP: Final = "source-ages"
EVERY_S: Final = 15.0


class Freshness:
    """Looks at the last success of every configured source."""

    def __init__(self, sources: Sources, runs: RunDesk, clock: Clock) -> None:
        self._sources = sources
        self._runs = runs
        self._clock = clock

    async def __call__(self) -> None:
        """Set the metric of each source that ever had a success."""
        for name, at in (await self._runs.successes()).items():
            if self._sources.get(name) is not None:
                metric("source_last_success_seconds").labels(source=name).set(at.timestamp())

    async def check(self) -> Check:
        """Not ok when a source is silent for longer than its setting expects."""
        successes = await self._runs.successes()
        ages = self._ages(successes)
        late = sorted(
            source.place.source_id
            for source in self._sources.all()
            if _is_late(source, ages.get(source.place.source_id))
        )
        page: dict[str, Any] = {
            source.place.source_id: {
                "lastSuccessAt": _told(successes.get(source.place.source_id)),
                "lastSuccessSecondsAgo": ages.get(source.place.source_id),
                "expectEverySeconds": source.expect_every_s,
            }
            for source in self._sources.all()
        }
        return Check(ok=not late, detail={"late": list(late), "sources": page})

    def _ages(self, successes: Mapping[str, datetime]) -> dict[str, float]:
        now = self._clock.now()
        return {
            name: round(max((now - at).total_seconds(), 0.0), 1) for name, at in successes.items()
        }


def _told(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _is_late(source: Source, age_s: float | None) -> bool:
    if source.expect_every_s is None:
        return False
    return age_s is None or age_s > source.expect_every_s
