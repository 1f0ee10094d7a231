"""Pieces of a loop's work that failed rest for a while, so that the others are not kept waiting."""

from typing import Final

from roster_common.ports import Clock

REST_S: Final = 10.0


class Resting:
    """Names of pieces of work, each with the moment at which it may be tried again."""

    def __init__(self, clock: Clock, *, rest_s: float = REST_S) -> None:
        self._clock = clock
        self._rest_s = rest_s
        self._until: dict[str, float] = {}

    def begin(self, name: str) -> None:
        """It failed just now."""
        self._until[name] = self._clock.monotonic() + self._rest_s

    def names(self) -> frozenset[str]:
        """What rests still."""
        now = self._clock.monotonic()
        self._until = {one: at for one, at in self._until.items() if at > now}
        return frozenset(self._until)
