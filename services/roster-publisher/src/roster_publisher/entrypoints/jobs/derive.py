"""Loop of the derivers: works while there is work, else waits for the bell or a short while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping

_IDLE_S: Final = 0.25
_TURN_TIMEOUT_S: Final = 60.0

Turn = Callable[[], Awaitable[int]]


def derive_loop(people: Turn, classes: Turn, ear: Ear) -> Callable[[Stopping], Awaitable[None]]:
    """The loop around two use cases that each return how much they did."""

    async def turn() -> int:
        async with asyncio.timeout(_TURN_TIMEOUT_S):
            return await people() + await classes()

    async def run(stopping: Stopping) -> None:
        while not stopping.is_set():
            if not await turn():
                await ear.wait(_IDLE_S)

    return run
