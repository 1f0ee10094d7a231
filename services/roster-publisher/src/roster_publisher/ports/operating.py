"""What operators need: counts, and the removal of what is past its time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


class Housekeeping(Protocol):
    """Removes what is past its time; each call commits and may run any time, twice."""

    async def purge(
        self,
        *,
        now: datetime,
        keep_history: timedelta,
        keep_tombstones: timedelta,
        keep_audit: timedelta,
    ) -> Mapping[str, int]:
        """Raise each district's history floor, delete, then take old tombstones out of the roster;
        returns rows per table. A district whose tombstones fail keeps nothing else waiting.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Where a district's publication stands, in ids and counts."""

    district_id: str
    revision: int
    stamp: datetime | None
    objects: Mapping[str, Mapping[str, int]]
    dangling: int
    dirty_people: int
    dirty_classes: int


class StatusReads(Protocol):
    """Counts for operators."""

    async def report(self, district_id: str) -> StatusReport:
        """Counts of one district; zeros for one never heard of."""
        ...
