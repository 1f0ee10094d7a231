"""Minutes between two moments by the calendar and by a help desk's hours. Pure.

Hours are Monday to Friday, 8 to 16, in the district's zone; holidays are not known here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

SCHEDULE_ID: Final = "mon-fri-8-16"
_OPENS: Final = 8 * 60
_DAY: Final = 8 * 60
_WORKDAYS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """Whole minutes, rounded down; never negative."""

    calendar: int
    business: int


def minutes_between(start: datetime, end: datetime, *, time_zone: str) -> Minutes:
    """Both counts; zero when `end` is not after `start`."""
    if end <= start:
        return Minutes(calendar=0, business=0)
    zone = ZoneInfo(time_zone)
    business = _business(end.astimezone(zone)) - _business(start.astimezone(zone))
    # In the hour that a clock repeats in autumn local time goes back; no desk is open then.
    return Minutes(
        calendar=int((end - start).total_seconds() // 60), business=max(0, int(business))
    )


def _business(local: datetime) -> float:
    """Business minutes from a Monday long ago: whole weeks, whole days, and today's part."""
    days = local.toordinal() - 1  # day 1 was a Monday
    weeks, weekday = divmod(days, 7)
    minute = local.hour * 60 + local.minute + local.second / 60
    today = min(max(minute - _OPENS, 0), _DAY) if weekday < _WORKDAYS else 0
    return (weeks * _WORKDAYS + min(weekday, _WORKDAYS)) * _DAY + today
