"""Loop that notices what other processes changed of vendors: tokens are then looked up anew."""

from collections.abc import Awaitable, Callable
from typing import Final

from roster_common.runtime.lifecycle import Stopping

_LOOK_S: Final = 1.0


def watch_access(
    version: Callable[[], Awaitable[int]], changed: Callable[[], None]
) -> Callable[[Stopping], Awaitable[None]]:
    """Call `changed` whenever `version` is another: one small read a second.

    A read that fails ends the loop's turn; it is started again, and what is remembered of a token
    ends by itself after half a minute.
    """

    async def run(stopping: Stopping) -> None:
        """Until the stop."""
        seen: int | None = None
        while not stopping.is_set():
            now = await version()
            if now != seen:
                changed()
            seen = now
            await stopping.wait(_LOOK_S)

    return run
