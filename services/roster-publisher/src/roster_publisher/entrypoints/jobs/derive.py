"""Loop of the derivers: works while there is work, else waits for the bell or a short while.

The bell rings inside the transaction that makes the work, a moment before its commit; so an empty
turn right after it is tried again at once, a few times.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.lifecycle import Stopping

_IDLE_S: Final = 0.25
_AFTER_BELL_S: Final = (0.002, 0.004, 0.008, 0.016, 0.032)
_TURN_TIMEOUT_S: Final = 60.0

Turn = Callable[[], Awaitable[int]]


def derive_loop(
    people: Turn, classes: Turn, bell: asyncio.Event
) -> Callable[[Stopping], Awaitable[None]]:
    """The loop around two use cases that each return how much they did."""

    async def turn() -> int:
        async with asyncio.timeout(_TURN_TIMEOUT_S):
            done = await people() + await classes()
        if done:
            failpoint("publisher.apply.after_commit")
        return done

    async def run(stopping: Stopping) -> None:
        while not stopping.is_set():
            rung = bell.is_set()
            bell.clear()
            done = await turn()
            for pause_s in _AFTER_BELL_S if rung and not done else ():
                if await stopping.wait(pause_s):
                    return
                done = await turn()
                if done:
                    break
            if not done and not bell.is_set():
                await _bell_or_stop(bell, stopping)

    return run


async def _bell_or_stop(bell: asyncio.Event, stopping: Stopping) -> None:
    try:
        async with asyncio.timeout(_IDLE_S):
            await bell.wait()
    except TimeoutError:
        return
    finally:
        if stopping.is_set():
            bell.clear()
