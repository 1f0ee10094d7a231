"""States of people and classes, and who joined, moved and left, on a real PostgreSQL."""

from datetime import UTC, date, datetime, timedelta

import pytest

from roster_publisher.adapters.postgres.causes import purge_causes
from tests.support.oneroster_records import (
    class_,
    course,
    demographics,
    enrollment,
    org,
    ref,
    role,
    school_world,
    session,
    user,
)
from tests.support.publishing import Publishing


async def kinds(publishing: Publishing) -> list[str]:
    """Lifecycle facts on the log, in order."""
    return [
        one.type.split(".")[3]
        for one in await publishing.emitted()
        if one.type.endswith((".joined.v1", ".moved.v1", ".left.v1"))
    ]


async def test_a_person_is_emitted_whole(publishing: Publishing) -> None:
    await publishing.publish(
        *school_world(),
        (
            "user",
            user("u1", role(beginDate="2026-08-01"), primaryOrg=ref("org", "s1"), grades=["05"]),
        ),
        ("enrollment", enrollment("e1", user="u1", primary=False)),
    )

    await publishing.derive()

    (event,) = await publishing.emitted("person.v1")
    assert event.correlation_id == "corr"
    assert event.data == {
        "personId": "u1",
        "status": "active",
        "enabled": True,
        "givenName": "Ada",
        "familyName": "Byron",
        "revision": 1,
        "grades": ["05"],
        "roles": [
            {
                "role": "student",
                "roleType": "primary",
                "orgId": "s1",
                "orgName": "School s1",
                "orgType": "school",
                "beginDate": "2026-08-01",
            }
        ],
        "primaryOrgId": "s1",
        "classes": [
            {
                "classId": "k1",
                "role": "student",
                "schoolId": "s1",
                "title": "Class k1",
                "schoolName": "School s1",
                "termIds": ["t1"],
                "primary": False,
            }
        ],
    }


async def test_a_class_is_emitted_whole(publishing: Publishing) -> None:
    await publishing.publish(*school_world())

    await publishing.derive()

    (event,) = await publishing.emitted("class.v1")
    assert event.data == {
        "classId": "k1",
        "status": "active",
        "title": "Class k1",
        "revision": 1,
        "courseId": "c1",
        "courseTitle": "Algebra",
        "schoolId": "s1",
        "schoolName": "School s1",
        "terms": [
            {
                "id": "t1",
                "title": "Autumn",
                "beginDate": "2026-08-01",
                "endDate": "2027-01-15",
            }
        ],
        "grades": [],
        "subjects": [],
        "periods": [],
    }


async def test_an_unchanged_state_is_not_emitted_again(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.derive()

    await publishing.publish(("user", user("u000", sms="555")))
    await publishing.derive()

    assert len(await publishing.emitted("person.v1")) == 1


async def test_a_renamed_school_reaches_its_people_and_classes(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=2))
    await publishing.derive()

    await publishing.publish(("org", org("s1", name="New Name")))
    await publishing.derive()

    people = (await publishing.emitted("person.v1"))[2:]
    assert {one.data["personId"] for one in people} == {"u000", "u001"}
    assert {one.data["roles"][0]["orgName"] for one in people} == {"New Name"}
    assert (await publishing.emitted("class.v1"))[-1].data["schoolName"] == "New Name"


async def test_a_changed_class_course_or_term_reaches_who_depends_on_it(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=1), ("enrollment", enrollment("e1", user="u000")))
    await publishing.derive()

    await publishing.publish(
        ("class", class_("k1", title="Renamed")),
        ("course", course("c1", title="Geometry")),
        ("academicSession", session("t1", title="Fall")),
    )
    await publishing.derive()

    person = (await publishing.emitted("person.v1"))[-1].data
    assert person["classes"][0]["title"] == "Renamed"
    state = (await publishing.emitted("class.v1"))[-1].data
    assert (state["courseTitle"], state["terms"][0]["title"]) == ("Geometry", "Fall")


async def test_a_class_move_shows_in_the_state_of_the_person(publishing: Publishing) -> None:
    await publishing.publish(
        *school_world(users=1),
        ("class", class_("k2")),
        ("enrollment", enrollment("e1", user="u000")),
    )
    await publishing.derive()

    await publishing.publish(("enrollment", enrollment("e1", user="u000", class_id="k2")))
    await publishing.derive()

    person = (await publishing.emitted("person.v1"))[-1].data
    assert [one["classId"] for one in person["classes"]] == ["k2"]


async def test_one_class_for_another_of_the_course_is_told_once(publishing: Publishing) -> None:
    await publishing.publish(
        *school_world(users=1),
        ("class", class_("k2")),
        ("enrollment", enrollment("e1", user="u000")),
    )
    await publishing.derive()

    await publishing.publish(
        ("enrollment", "e1"),
        ("enrollment", enrollment("e2", user="u000", class_id="k2", beginDate="2026-08-30")),
        correlation_id="move",
    )
    await publishing.derive()
    await publishing.queue.mark_all("d1", correlation_id="again", now=publishing.clock.now())
    await publishing.derive()

    (moved,) = await publishing.emitted("enrollment.moved.v1")
    assert moved.correlation_id == "move"
    assert moved.data == {
        "personId": "u000",
        "fromClassId": "k1",
        "toClassId": "k2",
        "effectiveDate": "2026-08-30",
    }


async def test_a_commit_keeps_one_line_per_correlation_id(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=3), origin="firstload", correlation_id="load")
    await publishing.publish(("enrollment", enrollment("e1", user="nobody")), correlation_id="lost")
    await publishing.derive()

    rows = await publishing.rows(
        "SELECT correlation_id, what, detail, revision, records, entity, sourced_id"
        " FROM roster_publisher.cause ORDER BY what, correlation_id, detail"
    )

    assert [tuple(row.values()) for row in rows] == [
        ("load", "derived", "", 1, 3, "user", "u000"),
        ("load", "derived", "joined", 1, 3, "user", "u000"),
        ("load", "published", "", 1, 7, "org", "s1"),
        ("lost", "waiting", "", 1, 1, "enrollment", "e1"),
    ]
    publishing.clock.advance(8 * 24 * 3600)
    assert await purge_causes(publishing.database, now=publishing.clock.now()) == 4


async def test_a_move_told_by_two_snapshots_within_the_settle_time_is_never_a_leaver(
    publishing: Publishing,
) -> None:
    await publishing.publish(
        *school_world(users=1),
        ("org", org("s2")),
        ("class", class_("m1", school="s2")),
        ("enrollment", enrollment("e1", user="u000")),
    )
    await publishing.derive()

    await publishing.publish(("enrollment", "e1"), ("user", "u000"), origin="snapshot")
    await publishing.derive()
    publishing.clock.advance(14 * 60)
    await publishing.due.left()
    await publishing.publish(
        ("user", user("u000", role("s2"))),
        ("enrollment", enrollment("e2", user="u000", class_id="m1", school="s2")),
        origin="snapshot",
    )
    await publishing.derive()
    publishing.clock.advance(60 * 60)
    await publishing.due.left()
    await publishing.derive()

    assert await kinds(publishing) == ["joined", "moved"]


async def test_an_enrolment_that_changes_hands_reaches_both_people(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=2), ("enrollment", enrollment("e1", user="u000")))
    await publishing.derive()

    await publishing.publish(("enrollment", enrollment("e1", user="u001")))
    await publishing.derive()

    last = {one.data["personId"]: one.data for one in await publishing.emitted("person.v1")}
    assert [len(last[who]["classes"]) for who in ("u000", "u001")] == [0, 1]


async def test_first_load_joins_carry_their_origin(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1), origin="firstload")
    await publishing.derive()
    await publishing.publish(("user", user("new")), origin="webhook")
    await publishing.derive()

    joined = await publishing.emitted("joined.v1")
    assert [(one.data["personId"], one.origin) for one in joined] == [
        ("u000", "firstload"),
        ("new", "webhook"),
    ]


async def test_a_first_load_is_derived_once_when_it_has_ended(publishing: Publishing) -> None:
    second = timedelta(seconds=1)
    await publishing.publish(*school_world(users=2), origin="firstload")
    await publishing.derive(after=second)
    # Nobody is marked by this, and still the load goes on.
    await publishing.publish(("demographics", demographics("u000")), origin="firstload")
    await publishing.derive(after=second)
    enrolled = [enrollment(f"e-{who}", user=who) for who in ("u000", "u001")]
    await publishing.publish(*(("enrollment", one) for one in enrolled), origin="firstload")
    await publishing.derive(after=second)
    assert await publishing.emitted() == []

    await publishing.derive(after=second)

    people = await publishing.emitted("person.v1")
    assert [[at["classId"] for at in one.data["classes"]] for one in people] == [["k1"], ["k1"]]


async def test_a_load_without_end_is_derived_after_two_minutes(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1), origin="firstload")
    for number in range(119):
        await publishing.publish(("org", org("s1", name=f"Name {number}")), origin="firstload")
    await publishing.derive(after=timedelta(milliseconds=999))
    assert await publishing.emitted() == []

    await publishing.derive(after=timedelta(milliseconds=1))

    assert len(await publishing.emitted("person.v1")) == 1


async def test_a_live_change_does_not_wait_for_a_load(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=2), origin="firstload")
    await publishing.publish(("user", user("live")), origin="webhook")

    await publishing.derive(after=timedelta(0))

    assert [one.data["personId"] for one in await publishing.emitted("person.v1")] == ["live"]


async def test_a_live_cause_wins_over_a_first_load(publishing: Publishing) -> None:
    await publishing.publish(*school_world())
    await publishing.publish(("user", user("u1")), origin="webhook", correlation_id="live")
    await publishing.publish(
        ("user", user("u1", sms="1")), origin="firstload", correlation_id="load"
    )

    await publishing.derive()

    (joined,) = await publishing.emitted("joined.v1")
    assert (joined.origin, joined.correlation_id) == ("webhook", "live")


async def test_a_school_move_is_a_move_and_never_a_leaver(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1), ("org", org("s2")))
    await publishing.derive()
    await publishing.publish(("user", user("u000", role(endDate="2026-08-31"))))
    await publishing.derive()
    await publishing.publish(("user", user("u000", role("s2"))))
    await publishing.derive()

    assert await kinds(publishing) == ["joined", "moved"]
    moved = (await publishing.emitted("moved.v1"))[0].data
    assert (moved["fromOrgIds"], moved["toOrgIds"]) == (["s1"], ["s2"])


async def test_who_has_no_role_left_leaves_after_the_settle_time(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.derive()
    await publishing.publish(("user", "u000"), correlation_id="withdrawal")
    await publishing.derive()
    assert await kinds(publishing) == ["joined"]

    publishing.clock.advance(15 * 60)
    await publishing.due.left()
    await publishing.derive()

    (left,) = await publishing.emitted("left.v1")
    assert left.correlation_id == "withdrawal"
    assert (left.data["role"], left.data["fromOrgIds"]) == ("student", ["s1"])
    await publishing.due.left()
    await publishing.derive()
    assert await kinds(publishing) == ["joined", "left"]


@pytest.mark.parametrize("had_left", [False, True])
async def test_who_was_merged_is_told_at_once_as_left_and_who_they_are_now(
    publishing: Publishing, *, had_left: bool
) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.derive()
    if had_left:
        await publishing.publish(("user", "u000"))
        await publishing.derive()
        publishing.clock.advance(15 * 60)
        await publishing.due.left()
        await publishing.derive()

    await publishing.publish(("user", "u000"), merged_into="kept", correlation_id="merge")
    await publishing.derive()

    left = (await publishing.emitted("left.v1"))[-1]
    assert left.data["mergedInto"] == "kept"
    assert left.correlation_id == "merge"
    publishing.clock.advance(15 * 60)
    await publishing.due.left()
    await publishing.derive()
    assert await kinds(publishing) == ["joined", *(["left"] if had_left else []), "left"]


@pytest.mark.parametrize("told_between", [True, False])
async def test_an_id_given_back_after_a_merge_is_a_person_again(
    publishing: Publishing, *, told_between: bool
) -> None:
    world = school_world(users=1)
    await publishing.publish(*world)
    await publishing.derive()
    await publishing.publish(("user", "u000"), merged_into="kept", correlation_id="merge")
    if told_between:
        await publishing.derive()

    await publishing.publish(*world, correlation_id="split")
    await publishing.derive()

    (standing,) = await publishing.rows(
        "SELECT phase, status FROM roster_publisher.person_state p JOIN roster_publisher.object o"
        " ON o.district_id = p.district_id AND o.entity = 'user' AND o.sourced_id = p.person_id"
    )
    assert standing == {"phase": "active", "status": "active"}
    # One that nobody had heard of yet came and went unseen.
    assert await kinds(publishing) == ["joined", *(["left", "joined"] if told_between else [])]


async def test_a_merge_is_told_also_of_somebody_purged_long_ago(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.derive()
    await publishing.publish(("user", "u000"))
    await publishing.derive()
    publishing.clock.advance(100 * 86_400)
    await publishing.due.left()
    await publishing.derive()
    await publishing.purge()

    await publishing.publish(("user", "u000"), merged_into="kept", correlation_id="merge")
    await publishing.derive()

    assert await kinds(publishing) == ["joined", "left", "left"]
    left = (await publishing.emitted("left.v1"))[-1]
    assert (left.data["personId"], left.data["mergedInto"]) == ("u000", "kept")
    assert await publishing.rows(
        "SELECT detail FROM roster_publisher.cause WHERE correlation_id = 'merge'"
    ) == [{"detail": "left"}]


async def test_without_a_settle_time_a_leaver_leaves_at_once(publishing: Publishing) -> None:
    publishing.settle = timedelta(0)
    await publishing.publish(*school_world(users=1))
    await publishing.derive()

    await publishing.publish(("user", "u000"))
    await publishing.derive()

    assert await kinds(publishing) == ["joined", "left"]


async def test_roles_begin_and_end_by_the_calendar(publishing: Publishing) -> None:
    publishing.settle = timedelta(0)
    await publishing.publish(
        *school_world(),
        ("user", user("u1", role(beginDate="2026-09-02", endDate="2026-09-04"))),
    )
    await publishing.derive()
    assert await kinds(publishing) == []

    found = []
    for _ in range(4):
        publishing.clock.advance(24 * 3600)
        await publishing.due.dates()
        await publishing.derive()
        found.append(await kinds(publishing))

    assert found == [["joined"], ["joined"], ["joined", "left"], ["joined", "left"]]
    assert (await publishing.emitted("left.v1"))[0].origin == "schedule"


async def test_the_date_is_that_of_the_district(publishing: Publishing) -> None:
    moment = datetime(2026, 9, 2, 3, 0, tzinfo=UTC)

    assert publishing.today("d1", moment) == date(2026, 9, 2)


async def test_a_republish_emits_every_state_again_and_no_lifecycle(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=3))
    await publishing.derive()

    marked = await publishing.queue.mark_all(
        "d1", correlation_id="again", now=publishing.clock.now()
    )
    await publishing.derive()

    assert marked == 4
    again = [one for one in await publishing.emitted() if one.correlation_id == "again"]
    assert (
        sorted(one.type for one in again) == ["k12.roster.class.v1"] + ["k12.roster.person.v1"] * 3
    )
    assert {one.origin for one in again} == {"republish"}
    assert await kinds(publishing) == ["joined"] * 3


async def test_people_nobody_may_see_yet_have_no_state(publishing: Publishing) -> None:
    await publishing.publish(("user", user("u1")))

    await publishing.derive()

    assert await publishing.emitted() == []
