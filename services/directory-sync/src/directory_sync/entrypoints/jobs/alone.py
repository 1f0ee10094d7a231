"""What goes wrong with one target stops no other: its loops begin again after a wait."""

import time
from collections.abc import Awaitable, Callable

from directory_sync.domain.backoff import transient_wait_s
from roster_common.runtime.lifecycle import SOUND_RUN_S, Stopping, go_on_without

Run = Callable[[Stopping], Awaitable[None]]


def alone(run: Run, *, loop: str, target_id: str) -> Run:
    """`run`, begun again after 1, 2, 4 … 60 s when it fails, without an end.

    A failure is counted and logged under `loop`; a Fatal alone is raised. Source: blueprint
    invariant 10.
    """

    async def again(stopping: Stopping) -> None:
        """Run until it ends by itself or is told to stop; raises Fatal alone."""
        failures = 0
        while not stopping.is_set():
            began = time.monotonic()
            try:
                await run(stopping)
            except Exception as error:  # noqa: BLE001 - a target's outermost loop
                sound = time.monotonic() - began >= SOUND_RUN_S
                failures = 1 if sound else failures + 1
                go_on_without(loop, error, target=target_id)
            else:
                return
            await stopping.wait(transient_wait_s(failures))

    return again
