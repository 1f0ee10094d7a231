"""A wake-up call between a door and the loops behind it, in one process.

Only a hint: rung after the commit (`Tx.after_commit`), lost in a crash, unheard by other
processes. So whoever listens looks by itself now and then.
"""

import asyncio


class Ear:
    """One loop's ear; made by `Bell.ear`."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def hear(self) -> None:
        """There is news, now or when `wait` is called next."""
        self._rung.set()

    async def wait(self, timeout_s: float) -> bool:
        """Return True as soon as the bell has rung since the last wait, else False in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Bell:
    """Rings every ear."""

    def __init__(self) -> None:
        self._ears: list[Ear] = []

    def ear(self) -> Ear:
        """A new ear; it hears rings from now on."""
        ear = Ear()
        self._ears.append(ear)
        return ear

    def ring(self) -> None:
        """There is news. Never blocks, never fails."""
        for ear in self._ears:
            ear.hear()
