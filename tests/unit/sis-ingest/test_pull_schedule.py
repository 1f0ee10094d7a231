"""When a source is due, in the hours of its district."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from sis_ingest.domain.schedule import Schedule, due

CHICAGO = ZoneInfo("America/Chicago")
SUNDAY = 6


def schedule(**more) -> Schedule:
    return Schedule(
        **{
            "zone": CHICAGO,
            "full_day": SUNDAY,
            "full_at": time(2, 0),
            "delta_every": timedelta(minutes=15),
            **more,
        }
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO).astimezone(UTC)


def test_a_source_never_read_is_read_in_full_at_once() -> None:
    assert due(schedule(), at("2026-11-25T12:00"), last_full=None, last_any=None) == "full"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-29T01:59", None),
        ("2026-11-29T02:00", "full"),  # a Sunday
        ("2026-12-02T12:00", "full"),  # missed on Sunday, made up for
    ],
)
def test_a_full_pull_is_due_once_a_week_at_the_districts_hour(now: str, expected: str) -> None:
    moment = at(now)
    last = at("2026-11-22T02:00")
    recent = moment - timedelta(minutes=1)

    assert due(schedule(), moment, last_full=last, last_any=recent) == expected


def test_deltas_are_due_in_between_and_after_a_full_pull_not_at_once() -> None:
    full = at("2026-11-29T02:00")

    assert due(schedule(), full + timedelta(minutes=14), last_full=full, last_any=full) is None
    assert due(schedule(), full + timedelta(minutes=15), last_full=full, last_any=full) == "delta"
    never = schedule(delta_every=None)
    assert due(never, full + timedelta(days=1), last_full=full, last_any=full) is None


@pytest.mark.parametrize(
    ("now", "open_"), [("21:59", False), ("22:00", True), ("03:00", True), ("06:00", False)]
)
def test_nothing_is_due_outside_the_window_even_over_midnight(now: str, open_: bool) -> None:
    night = schedule(windows=[(time(22, 0), time(6, 0))])

    found = due(night, at(f"2026-11-25T{now}"), last_full=None, last_any=None)

    assert (found == "full") is open_


def test_nothing_is_due_on_days_that_are_blacked_out() -> None:
    closed = schedule(blackouts=[(date(2026, 12, 24), date(2027, 1, 3))])

    assert due(closed, at("2026-12-24T00:00"), last_full=None, last_any=None) is None
    assert due(closed, at("2027-01-03T23:59"), last_full=None, last_any=None) is None
    assert due(closed, at("2027-01-04T00:00"), last_full=None, last_any=None) == "full"


def test_the_hour_is_the_districts_also_when_its_clocks_change() -> None:
    # On 2026-11-01 the clocks of Chicago went back: 02:00 is 08:00 UTC from then on.
    last = datetime(2026, 10, 25, 7, 0, tzinfo=UTC)
    before = datetime(2026, 11, 1, 7, 59, tzinfo=UTC)

    assert due(schedule(), before, last_full=last, last_any=before) is None
    after = before + timedelta(minutes=1)
    assert due(schedule(), after, last_full=last, last_any=after) == "full"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-12-01T02:15", None),  # read in full at 02:00
        ("2026-12-01T23:59", None),
        ("2026-12-02T01:59", None),
        ("2026-12-02T02:00", "delta"),
        ("2026-12-06T02:00", "delta"),  # a Sunday: as a delta, so that one that is told ends it
    ],
)
def test_where_a_delta_costs_a_full_reading_it_comes_once_a_day(now: str, expected: str) -> None:
    read = at("2026-12-01T02:00")

    found = due(schedule(), at(now), last_full=read, last_any=read, refuses_deltas=True)

    assert found == expected


def test_a_source_that_tells_deltas_again_has_them_as_often_as_before() -> None:
    full, delta = at("2026-12-01T02:00"), at("2026-12-02T02:00")

    assert due(schedule(), at("2026-12-02T02:15"), last_full=full, last_any=delta) == "delta"


def test_refused_deltas_are_never_more_often_than_the_operator_wants_them() -> None:
    read = at("2026-12-01T02:00")
    asks = {"last_full": read, "last_any": read, "refuses_deltas": True}
    seldom = schedule(delta_every=timedelta(days=3))

    assert due(seldom, at("2026-12-03T02:00"), **asks) is None
    assert due(seldom, at("2026-12-04T02:00"), **asks) == "delta"
    never = schedule(delta_every=None)
    assert due(never, at("2026-12-05T02:00"), **asks) is None
    assert due(never, at("2026-12-06T02:00"), **asks) == "full"
    night = schedule(windows=[(time(22, 0), time(6, 0))], full_at=time(1, 0))
    assert due(night, at("2026-12-02T21:00"), **asks) is None
    assert due(night, at("2026-12-02T22:00"), **asks) == "delta"
