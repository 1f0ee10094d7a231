"""A clock that stands still until a test moves it, and ids that count up. For tests only."""

from datetime import UTC, datetime, timedelta

_DEFAULT_START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)


class FixedClock:
    """A `Clock` moved by hand; both of its faces move together."""

    def __init__(self, start: datetime = _DEFAULT_START) -> None:
        self._now = start
        self._monotonic = 1_000.0

    def now(self) -> datetime:
        """Give the moment the test has set."""
        return self._now

    def monotonic(self) -> float:
        """Give seconds that move only with `advance`."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move forward; never back."""
        if seconds < 0:
            message = "a fixed clock only moves forward"
            raise ValueError(message)
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    async def sleep(self, seconds: float) -> None:
        """Stand in for `asyncio.sleep`: return at once, with the clock moved."""
        self.advance(seconds)


class CountingIds:
    """An `IdSource` whose ids are valid UUIDv7 texts that count up from one."""

    def __init__(self) -> None:
        self._count = 0

    def new_id(self) -> str:
        """Give the next id."""
        self._count += 1
        return f"01900000-0000-7000-8000-{self._count:012x}"
