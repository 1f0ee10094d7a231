"""Background work: raw deliveries are forgotten when their time is over."""

from typing import Final

import structlog

from roster_common.runtime.metrics import metric
from sis_ingest.usecases.purge_pulls import PurgePulls
from sis_ingest.usecases.purge_raw import PurgeRaw

logger = structlog.get_logger(__name__)

LOOP: Final = "purge-raw"
EVERY_S: Final = 3_600.0
TIMEOUT_S: Final = 1_800.0


class Purger:
    """The loop's work: one round, counted and logged."""

    def __init__(self, purge: PurgeRaw, pulls: PurgePulls) -> None:
        self._purge = purge
        self._pulls = pulls

    async def __call__(self) -> None:
        """One round."""
        done = await self._purge()
        pulls, pages = await self._pulls()
        counts = {
            "body": done.bodies,
            "file": done.files,
            "pull": pulls,
            "stray": done.strays + pages,
        }
        for kind, times in counts.items():
            metric("raw_purged_total").labels(kind=kind).inc(times)
        if any(counts.values()):
            logger.info("raw_purged", **counts)
