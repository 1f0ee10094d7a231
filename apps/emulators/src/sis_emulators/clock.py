"""The time of the emulated office: the only module here that asks the machine for it."""

from datetime import UTC, date, datetime, timedelta


class Clock:
    """Stamps that never go back, to the millisecond, in UTC."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def stamp(self) -> datetime:
        """The next stamp; in a busy millisecond the same as the one before."""
        now = self.now()
        self._last = max(now - timedelta(microseconds=now.microsecond % 1000), self._last)
        return self._last

    def now(self) -> datetime:
        """The time, without marking it as used."""
        return datetime.now(UTC)

    def today(self) -> date:
        """The day in UTC."""
        return self.now().date()


def iso(moment: datetime) -> str:
    """`2026-11-30T08:15:00.123Z`, as OneRoster writes a moment."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
