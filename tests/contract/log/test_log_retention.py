"""Old days go, state topics shrink, and nothing a group still needs is touched."""

from datetime import UTC, datetime, timedelta

from roster_common.contracts.envelope import new_event, new_tombstone
from roster_common.contracts.roster_class_v1 import ClassState, class_key
from roster_common.runtime.log.retention import RetentionReport, run_retention
from roster_common.runtime.metrics import render
from tests.contract.log.worlds import IDS, World, eventually, joined, running

LATER = timedelta(days=40)


async def test_days_past_retention_are_dropped_once_every_group_has_passed_them(
    direct: World,
) -> None:
    """Dropping a day is one statement, and new days stand ready."""
    await direct.publish(joined("p0"))
    async with running(direct.consumer()):
        await eventually(lambda: _progress(direct, 1))
    day, now = await _one_day(direct), datetime.now(UTC)

    early = await run_retention(direct.database, now=now)
    late = await run_retention(direct.database, now=now + LATER)

    assert early.dropped == ()
    assert day in late.dropped
    assert late.held_back == ()
    assert not await direct.fetch("SELECT 1 FROM log.event")
    tomorrow = now + LATER + timedelta(days=1)
    assert await direct.fetch(f"SELECT 1 FROM log.event_delete_{tomorrow:%Y%m%d} LIMIT 0") == []


async def test_the_slowest_group_holds_a_day_back_and_raises_the_alarm(direct: World) -> None:
    """A group that stands still keeps its events; operators see which group and how many days."""
    await direct.publish(joined("p0"))
    async with running(direct.consumer(), direct.consumer(group="slow")):
        await eventually(lambda: _progress(direct, 2))
    await direct.publish(joined("p1"))
    async with running(direct.consumer()):
        await eventually(lambda: _passed(direct, "readers", 2))
    day, now = await _one_day(direct), datetime.now(UTC)

    held = await run_retention(direct.database, now=now + LATER)

    assert held.held_back == ((day, "slow"),)
    assert len(await direct.fetch("SELECT 1 FROM log.event")) == 2
    assert b"\nretention_blocked_partitions 1.0" in _metrics()

    async with running(direct.consumer(group="slow")):
        await eventually(lambda: _passed(direct, "slow", 2))
    freed = await run_retention(direct.database, now=now + LATER)
    assert freed.held_back == ()
    assert not await direct.fetch("SELECT 1 FROM log.event")


async def test_a_state_topic_keeps_the_newest_of_each_key_and_forgets_erased_ones(
    direct: World,
) -> None:
    """Compaction leaves what a new reader needs; a tombstone goes after a day."""
    for title in ("first", "second", "third"):
        await direct.publish(_class("c1", title), _class("c2", title))
    await direct.publish(_erased("c2"))
    now = datetime.now(UTC)

    soon: RetentionReport = await run_retention(direct.database, now=now + timedelta(hours=1))
    rows = await direct.fetch('SELECT key, value FROM log.event_compact ORDER BY "offset"')

    assert soon.compacted == 5
    assert [(r["key"], r["value"] is None) for r in rows] == [
        ("demo/class/c1", False),
        ("demo/class/c2", True),
    ]
    assert b"third" in rows[0]["value"]

    await run_retention(direct.database, now=now + timedelta(days=2))
    assert [r["key"] for r in await direct.fetch("SELECT key FROM log.event_compact")] == [
        "demo/class/c1"
    ]


async def test_events_of_a_day_nobody_prepared_are_kept_and_reported(direct: World) -> None:
    """A keeper that was away loses nothing: the default partition took the events."""
    today = datetime.now(UTC)
    # It may be tomorrow by the time of the event.
    for day in (today, today + timedelta(days=1)):
        await direct.fetch(f"DROP TABLE log.event_delete_{day:%Y%m%d}")
    await direct.publish(joined("p0"))

    report = await run_retention(direct.database, now=datetime.now(UTC))

    assert report.unprepared == 1
    async with running(direct.consumer()):
        await eventually(lambda: _progress(direct, 1))
    assert await direct.effects() == ["p0"]
    late = await run_retention(direct.database, now=datetime.now(UTC) + LATER)
    assert late.unprepared == 0


def _class(class_id: str, title: str):  # type: ignore[no-untyped-def]
    return new_event(
        ClassState(
            class_id=class_id,
            status="active",
            title=title,
            class_code=None,
            class_type="scheduled",
            course_id="course-1",
            course_title="Course",
            school_id="school-1",
            school_name="School",
            terms=(),
            grades=(),
            subjects=(),
            periods=(),
            revision=1,
        ),
        event_id=IDS.new_id(),
        time=datetime(2026, 9, 1, tzinfo=UTC),
        service="roster-publisher",
        district_id="demo",
        correlation_id="why",
        origin="webhook",
    )


def _erased(class_id: str):  # type: ignore[no-untyped-def]
    return new_tombstone(
        ClassState,
        class_key(class_id),
        event_id=IDS.new_id(),
        time=datetime(2026, 9, 2, tzinfo=UTC),
        service="roster-publisher",
        district_id="demo",
        correlation_id="why",
        origin="operator",
    )


async def _one_day(world: World) -> str:
    """Where the events stand: all in the day of the last one, though midnight passed between."""
    await world.fetch("UPDATE log.event SET appended_at = (SELECT max(appended_at) FROM log.event)")
    (day,) = await world.fetch("SELECT DISTINCT tableoid::regclass::text AS name FROM log.event")
    return str(day["name"]).removeprefix("log.")


def _metrics() -> bytes:
    body, _media_type = render()
    return body


async def _progress(world: World, groups: int) -> bool:
    rows = await world.fetch("SELECT 1 FROM log.progress WHERE next_sequence > 0")
    return len(rows) >= groups


async def _passed(world: World, group: str, sequence: int) -> bool:
    return bool(
        await world.fetch(
            "SELECT 1 FROM log.progress WHERE group_id = $1 AND next_sequence >= $2",
            group,
            sequence,
        )
    )
