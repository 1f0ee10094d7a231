"""A push between the consumer's door and the reconcilers of the same process.

It is only a hint: it comes a moment before the commit, and never from another process. So a waiter
looks again quickly for a while after a push, and once a second without one.
"""

import asyncio

from roster_common.runtime.lifecycle import Stopping

IDLE_S = 1.0
# After a push the commit is a few milliseconds away; under load it may take longer.
_SOON_S = (0.004, 0.008, 0.016, 0.03, 0.06, 0.12, 0.25)


class Waiter:
    """One reconciler's ear."""

    def __init__(self) -> None:
        self._pushed = asyncio.Event()
        self._step = len(_SOON_S)

    def push(self) -> None:
        """There is or will soon be work."""
        self._pushed.set()

    async def wait(self, stopping: Stopping) -> None:
        """Sleep until a push, the next quick look, or the idle look; at most a second."""
        if stopping.is_set():
            return
        quick = self._step < len(_SOON_S)
        timeout_s = _SOON_S[self._step] if quick else IDLE_S
        try:
            async with asyncio.timeout(timeout_s):
                await self._pushed.wait()
        except TimeoutError:
            self._step += quick
            return
        self._pushed.clear()
        self._step = 0


class Nudge:
    """Pushes every waiter."""

    def __init__(self) -> None:
        self._waiters: list[Waiter] = []

    def waiter(self) -> Waiter:
        """A new ear; it hears pushes from now on."""
        waiter = Waiter()
        self._waiters.append(waiter)
        return waiter

    def __call__(self) -> None:
        """There is or will soon be work."""
        for waiter in self._waiters:
            waiter.push()
