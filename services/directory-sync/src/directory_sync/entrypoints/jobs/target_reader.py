"""The loop that reads one target whole when it is due, and tells what that showed."""

from directory_sync.domain.backoff import transient_wait_s
from directory_sync.domain.drift import ReadOutcome
from directory_sync.usecases.compare_target import Compared, CompareTarget
from roster_common.errors import Retriable
from roster_common.runtime.bell import Bell, Ear
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.logging import get_logger
from roster_common.runtime.metrics import metric

logger = get_logger(__name__)

_LOOK_EVERY_S = 5.0


class TargetReader:
    """One reader of one target. `bell` wakes rounds after a reading; `ear` hears who asks."""

    def __init__(self, *, target_id: str, compare: CompareTarget, ear: Ear, bell: Bell) -> None:
        self._target_id = target_id
        self._compare = compare
        self._ear = ear
        self._bell = bell

    async def run(self, stopping: Stopping) -> None:
        """Until stopped. A target that is away is waited for; trouble of our own is raised."""
        failures = 0
        while not stopping.is_set():
            try:
                compared = await self._compare()
            except Retriable as error:
                failures += 1
                logger.warning(
                    "target_not_compared", target=self._target_id, reason=type(error).__name__
                )
                await stopping.wait(transient_wait_s(failures))
                continue
            failures = 0
            if compared is not None:
                self._tell(compared)
            await self._ear.wait(_LOOK_EVERY_S)

    def _tell(self, compared: Compared) -> None:
        self._bell.ring()
        records = metric("run_records_total")
        found = {
            "read": compared.listed,
            "missing": compared.missing,
            "changed": compared.drifted,
            "skipped": 0 if compared.outcome is ReadOutcome.BELIEVED else compared.listed,
        }
        for outcome, count in found.items():
            records.labels(entity="accounts", outcome=outcome).inc(count)
        logger.info(
            "target_compared",
            target=self._target_id,
            outcome=compared.outcome.value,
            listed=compared.listed,
            known=compared.known,
            missing=compared.missing,
            drifted=compared.drifted,
            marked=compared.marked,
        )
