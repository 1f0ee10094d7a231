"""When a source is to be read: a full pull by day and hour, deltas in between. Pure.

All hours are the district's own, in its zone; outside the windows, and on days that are blacked
out, nothing is due. Source: systems.md §1.2 (off-peak windows), §8 (blackout dates).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

PullMode: TypeAlias = Literal["full", "delta"]
_WEEK_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`full_day` 0 is Monday, None every day; without `delta_every` there are full pulls only.

    `windows` are (from, to) within which a pull may begin, over midnight when `to` is earlier;
    none means always. `blackouts` are (first, last) days.
    """

    zone: ZoneInfo
    full_day: int | None
    full_at: time
    delta_every: timedelta | None
    windows: Sequence[tuple[time, time]] = ()
    blackouts: Sequence[tuple[date, date]] = ()


def due(
    schedule: Schedule,
    now: datetime,
    *,
    last_full: datetime | None,
    last_any: datetime | None,
    refuses_deltas: bool = False,
) -> PullMode | None:
    """What is due now; `last_full` and `last_any` are when the last good pulls began.

    Where the source `refuses_deltas`, each costs a full reading: they come once a day, at the hour
    of full pulls, and stand for those. Asked as a delta, each finds out whether it is still so.
    """
    if not may_begin(schedule, now):
        return None
    full = last_full is None or last_full < _last_moment(schedule, now, schedule.full_day)
    if last_full is None or schedule.delta_every is None:
        return "full" if full else None
    latest = max(last_full, last_any or last_full)
    delta = now - latest >= schedule.delta_every
    if refuses_deltas:
        daily = latest < _last_moment(schedule, now, None)
        return "delta" if daily and (full or delta) else None
    if full:
        return "full"
    return "delta" if delta else None


def may_begin(schedule: Schedule, now: datetime) -> bool:
    """Whether a pull may begin at this moment at all."""
    local = now.astimezone(schedule.zone)
    if any(first <= local.date() <= last for first, last in schedule.blackouts):
        return False
    return not schedule.windows or any(_within(local.time(), *w) for w in schedule.windows)


def _within(moment: time, begins: time, ends: time) -> bool:
    if begins <= ends:
        return begins <= moment < ends
    return moment >= begins or moment < ends


def _last_moment(schedule: Schedule, now: datetime, week_day: int | None) -> datetime:
    """When the hour of full pulls last came on that day of the week, or on any."""
    local = now.astimezone(schedule.zone)
    day = local.date()
    for _ in range(_WEEK_DAYS + 1):
        moment = datetime.combine(day, schedule.full_at, tzinfo=schedule.zone)
        if moment <= local and week_day in (None, day.weekday()):
            return moment
        day -= timedelta(days=1)
    message = "a week has every day of the week"
    raise AssertionError(message)
