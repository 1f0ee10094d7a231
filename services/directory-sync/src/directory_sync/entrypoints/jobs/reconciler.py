"""The loop that keeps one target right: its first connection, then rounds while there is work."""

import time

from directory_sync.domain.backoff import transient_wait_s
from directory_sync.usecases.connect_target import Connected, ConnectTarget
from directory_sync.usecases.reconcile_target import ReconcileTarget, Round
from roster_common.errors import Retriable
from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.logging import get_logger
from roster_common.runtime.metrics import metric

logger = get_logger(__name__)

_LONGEST_PAUSE_S = 60.0
_IDLE_S = 0.5
_REST = 5.0


class Reconciler:
    """One worker of one target; a target may have several, here and in other processes."""

    def __init__(
        self,
        *,
        target_id: str,
        connect: ConnectTarget,
        reconcile: ReconcileTarget,
        ear: Ear,
    ) -> None:
        self._target_id = target_id
        self._connect = connect
        self._reconcile = reconcile
        self._ear = ear

    async def run(self, stopping: Stopping) -> None:
        """Until stopped. A target that is away is waited for; trouble of our own is raised."""
        await self._connect_target(stopping)
        while not stopping.is_set():
            done = await self._reconcile()
            self._tell(done)
            if done.pause_s:
                await stopping.wait(min(done.pause_s, _LONGEST_PAUSE_S))
            elif not done.claimed:
                await self._ear.wait(_IDLE_S)

    async def _connect_target(self, stopping: Stopping) -> None:
        """Returns when the target is live, or on stopping."""
        failures = 0
        while not stopping.is_set():
            began = time.monotonic()
            try:
                connected = await self._connect()
            except Retriable as error:
                failures += 1
                logger.warning(
                    "target_not_read", target=self._target_id, reason=type(error).__name__
                )
                await stopping.wait(transient_wait_s(failures))
                continue
            if connected is not Connected.WAITING:
                logger.info("target_connected", target=self._target_id, state=connected.value)
            if connected is Connected.LIVE:
                return
            # Planning for everybody costs; a roster that is loaded now is planned now and then.
            await stopping.wait(max(_IDLE_S, _REST * (time.monotonic() - began)))

    def _tell(self, done: Round) -> None:
        """One line and the counters for a round that did something."""
        if not done.claimed:
            return
        actions = metric("sync_actions_total")
        for (action, outcome), count in done.counts.items():
            actions.labels(target=self._target_id, action=action, outcome=outcome).inc(count)
        actions.labels(target=self._target_id, action="none", outcome="unchanged").inc(
            done.unchanged
        )
        actions.labels(target=self._target_id, action="none", outcome="failed").inc(done.refused)
        actions.labels(target=self._target_id, action="disable", outcome="held").inc(done.held)
        logger.info(
            "target_round",
            target=self._target_id,
            claimed=done.claimed,
            unchanged=done.unchanged,
            refused=done.refused,
            held=done.held,
            pause_s=round(done.pause_s, 3),
            **{f"{action}_{outcome}": n for (action, outcome), n in done.counts.items()},
        )
