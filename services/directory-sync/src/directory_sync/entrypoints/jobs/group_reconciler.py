"""The loop that keeps one target's groups right: a first read, then rounds while there is work."""

from directory_sync.domain.backoff import transient_wait_s
from directory_sync.usecases.read_groups import ReadGroups
from directory_sync.usecases.reconcile_groups import GroupRound, ReconcileGroups
from roster_common.errors import Retriable
from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.logging import get_logger
from roster_common.runtime.metrics import metric

logger = get_logger(__name__)

_LONGEST_PAUSE_S = 60.0
_IDLE_S = 0.25


class GroupReconciler:
    """One worker of one target's groups; other processes may have theirs."""

    def __init__(
        self, *, target_id: str, read_groups: ReadGroups, reconcile: ReconcileGroups, ear: Ear
    ) -> None:
        self._target_id = target_id
        self._read_groups = read_groups
        self._reconcile = reconcile
        self._ear = ear

    async def run(self, stopping: Stopping) -> None:
        """Until stopped. A target that is away is waited for; trouble of our own is raised."""
        await self._first_read(stopping)
        while not stopping.is_set():
            done = await self._reconcile()
            self._tell(done)
            if done.pause_s:
                await stopping.wait(min(done.pause_s, _LONGEST_PAUSE_S))
            elif not done.claimed:
                await self._ear.wait(_IDLE_S)

    async def _first_read(self, stopping: Stopping) -> None:
        """Returns when the groups were read once, or on stopping."""
        failures = 0
        while not stopping.is_set():
            try:
                if await self._read_groups():
                    return
                await stopping.wait(_IDLE_S)
            except Retriable as error:
                failures += 1
                logger.warning(
                    "groups_not_read", target=self._target_id, reason=type(error).__name__
                )
                await stopping.wait(transient_wait_s(failures))

    def _tell(self, done: GroupRound) -> None:
        """One line and the counters for a round that did something."""
        if not done.claimed:
            return
        actions = metric("sync_actions_total")
        for (action, outcome), count in done.counts.items():
            actions.labels(target=self._target_id, action=action, outcome=outcome).inc(count)
        if done.held:
            actions.labels(target=self._target_id, action="member_remove", outcome="held").inc(
                done.held
            )
        logger.info(
            "groups_round",
            target=self._target_id,
            claimed=done.claimed,
            unchanged=done.unchanged,
            held=done.held,
            pause_s=round(done.pause_s, 3),
            **{f"{action}_{outcome}": n for (action, outcome), n in done.counts.items()},
        )
