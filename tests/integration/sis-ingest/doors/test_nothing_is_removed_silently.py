"""Properties of removals: budgets over any 24 hours, whole files only, once, and one same end."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_common.runtime.database import Database
from roster_common.testkit.clock import FixedClock
from sis_ingest.domain.deliveries import Place
from tests.support.truth import NAMELESS, CourseFile, Truth

COURSES = tuple(f"c{n:02}" for n in range(14))
# ADR 0012: max(5, 20 %) of the courses may go in 24 hours, and there are never more than 14.
ALLOWED = 5
DAY = timedelta(hours=24)

IDS = st.sampled_from(COURSES)
TITLES = st.sampled_from(["Art", "Bio"])
LISTS = st.dictionaries(IDS, TITLES, max_size=14)
# Mostly whole, so that removals really happen.
NEARLY_ALL = st.lists(IDS, max_size=5).map(
    lambda absent: {one: "Art" for one in COURSES if one not in absent}
)
LAG = st.integers(0, 48).map(lambda hours: timedelta(hours=hours))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("file"), NEARLY_ALL | LISTS, st.booleans(), LAG),
        st.tuples(st.just("gone"), IDS, LAG),
        st.tuples(st.just("said"), IDS, TITLES, LAG),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        # Whoever ends holds may come late, so that one whose time is over is still there.
        st.just(("ends",)),
    ),
    min_size=1,
    max_size=12,
)
DISTRICTS = count()
SETTINGS = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
async def database(ingest_url: str):
    database = Database(ingest_url, name="test", pool_size=2)
    yield database
    await database.close()


async def loaded(database: Database, *, beside: Truth | None = None) -> Truth:
    """A source with all courses, in a district of its own or beside another one."""
    number = next(DISTRICTS)
    district = f"d{number}" if beside is None else beside.place.district_id
    place = Place(district_id=district, source_id=f"s{number}")
    clock = FixedClock() if beside is None else beside.clock
    truth = Truth(database=database, place=place, clock=clock)
    await truth.file(CourseFile(titles=dict.fromkeys(COURSES, "Art")))
    truth.clock.advance(1)
    return truth


async def take(truth: Truth, step: Sequence[Any], at: datetime) -> None:
    match step:
        case ("file", titles, bulk, lag):
            await truth.file(CourseFile(titles=titles, bulk=bulk), as_of=at - lag)
        case ("gone", course_id, lag):
            await truth.webhook(course_id, None, at=at - lag)
        case ("said", course_id, title, lag):
            await truth.webhook(course_id, title, at=at - lag)
        case ("ends",):
            await truth.expire_due()
        case ("wait", hours):
            truth.clock.advance(hours * 3600)
    truth.clock.advance(1)


@SETTINGS
@given(steps=STEPS)
async def test_no_24_hours_see_more_removals_than_the_budget_and_repetition_tells_nothing(
    database: Database, steps: list[Any]
) -> None:
    truth = await loaded(database)

    for step in steps:
        at = truth.clock.now()
        await take(truth, step, at)
        if step[0] != "wait":
            told = truth.told
            await take(truth, step, at)
            assert truth.told == told

    for moment, _ in truth.gone:
        within = [other for other, _ in truth.gone if moment - DAY < other <= moment]
        assert len(within) <= ALLOWED


@SETTINGS
@given(
    present=st.sets(IDS, max_size=14 - ALLOWED - 1),
    how=st.sampled_from(["shrunken", "delta", "nameless", "empty"]),
)
async def test_a_read_that_is_empty_partial_or_shrunken_removes_nothing(
    database: Database, present: set[str], how: str
) -> None:
    truth = await loaded(database)
    titles = {} if how == "empty" else dict.fromkeys(sorted(present), "Art")
    if how == "nameless":
        # One row in thirty cannot be read: a bearable file, in which anybody may be anybody.
        titles = {**dict.fromkeys((f"x{n}" for n in range(29)), "Bio"), NAMELESS: "Art"}

    await truth.file(CourseFile(titles=titles, bulk=how != "delta"))

    assert truth.gone == []
    assert set(COURSES) <= set(await truth.courses())


# What happened to each course of each of two sources in order: a new title, or its end.
HISTORIES = st.dictionaries(
    st.tuples(st.integers(0, 1), IDS),
    st.lists(TITLES | st.none(), min_size=1, max_size=3),
    min_size=1,
    max_size=8,
)


@SETTINGS
@given(histories=HISTORIES, data=st.data())
async def test_lost_repeated_and_reordered_webhooks_and_one_file_give_the_same_truth(
    database: Database, histories: dict[tuple[int, str], list[str | None]], data: st.DataObject
) -> None:
    first = await loaded(database)
    second = await loaded(database, beside=first)
    sources, clock = (first, second), first.clock
    begin = clock.now()
    facts = [
        (which, course_id, title, begin + timedelta(minutes=minute))
        for (which, course_id), history in histories.items()
        for minute, title in enumerate(history)
    ]
    arriving = data.draw(st.lists(st.sampled_from(facts), max_size=15), label="arriving")
    clock.advance(3600)
    for which, course_id, title, at in arriving:
        await sources[which].webhook(course_id, title, at=at)
    clock.advance(1)
    expected = [dict.fromkeys(COURSES, "Art") for _ in sources]
    for (which, course_id), history in histories.items():
        expected[which].pop(course_id)
        if history[-1] is not None:
            expected[which][course_id] = history[-1]

    for which in data.draw(st.permutations((0, 1)), label="files"):
        await sources[which].file(CourseFile(titles=expected[which]))
    await first.approve_all()

    assert [await source.courses() for source in sources] == expected
    # And what comes later still changes nothing any more.
    told = await first.events()
    for which, course_id, title, at in arriving:
        await sources[which].webhook(course_id, title, at=at)
    assert await first.events() == told
    assert [await source.courses() for source in sources] == expected


async def test_nobody_decides_and_the_hold_ends_with_nothing_done(database: Database) -> None:
    truth = await loaded(database)
    await truth.file(CourseFile(titles={"c00": "Art"}))
    (hold,) = await truth.holds()
    truth.clock.advance(24 * 3600 - 1)
    assert await truth.expire_due() == 0
    truth.clock.advance(1)

    assert await truth.expire_due() == 1

    (ended,) = await truth.holds("expired")
    assert (ended.hold_id, ended.count, ended.reason) == (hold.hold_id, 13, "expired")
    assert (truth.gone, len(await truth.courses())) == ([], 14)
    late = await truth.decide.approve(hold, subject="ada", items_hash=hold.decision.items_hash)
    assert getattr(late, "code", None) == "ended"
    # The next file that lacks them asks again.
    await truth.file(CourseFile(titles={"c00": "Art"}))
    (again,) = await truth.holds()
    assert again.hold_id != hold.hold_id


@pytest.mark.parametrize("more", [0, 1])
async def test_what_waited_until_its_time_was_over_waits_again_though_nobody_has_ended_it(
    database: Database, more: int
) -> None:
    """A nightly file comes when the hold of the night before ends, or a moment later."""
    truth = await loaded(database)
    await truth.file(CourseFile(titles=dict.fromkeys(COURSES[6:], "Art")))
    truth.clock.advance(24 * 3600)

    run = await truth.file(CourseFile(titles=dict.fromkeys(COURSES[6 + more :], "Art")))

    assert (truth.gone, len(await truth.courses())) == ([], 14)
    (hold,) = await truth.holds()
    assert (hold.count, run.report.total().held) == (6 + more, 6 + more)


async def test_the_budget_comes_back_as_the_window_rolls(database: Database) -> None:
    truth = await loaded(database)
    for n in range(6):
        await truth.webhook(f"c{n:02}", None, at=truth.clock.now())
    assert len(await truth.courses()) == 9

    truth.clock.advance(24 * 3600)
    await truth.webhook("c05", None, at=truth.clock.now())

    assert len(await truth.courses()) == 8
    assert await truth.holds() == []


async def test_what_an_approval_removed_waits_nowhere_else(database: Database) -> None:
    truth = await loaded(database)
    await truth.file(CourseFile(titles={"c00": "Art"}))
    (hold,) = await truth.holds()
    await truth.approve(hold)
    # Before anything is done, the next file lacks the same.
    truth.clock.advance(1)
    await truth.file(CourseFile(titles={"c00": "Art"}))
    (other,) = await truth.holds()
    assert (other.hold_id != hold.hold_id, other.count) == (True, 13)

    await truth.release()

    assert set(await truth.courses()) == {"c00"}
    assert await truth.holds() == []


async def test_a_file_that_says_nothing_of_a_collection_makes_no_webhook_late(
    database: Database,
) -> None:
    truth = await loaded(database)
    meanwhile = truth.clock.now()
    truth.clock.advance(60)
    await truth.file(CourseFile(titles={}))

    verdict = await truth.webhook("c00", "Bio", at=meanwhile)

    assert (verdict, (await truth.courses())["c00"]) == ("changed", "Bio")
