"""What leaves the schools of a grant is a tombstone to it; what never was there is nowhere."""

from typing import Any

import httpx2

from tests.support.official_oneroster import check_collection, check_error, check_single
from tests.support.oneroster_records import (
    class_,
    demographics,
    enrollment,
    org,
    ref,
    role,
    school_world,
    user,
)
from tests.support.publishing import Publishing

AMY = {"givenName": "Amy", "email": "amy@example.org", "metadata": {"bus": "7"}}
WORLD: list[tuple[str, Any]] = [
    *school_world(),
    ("org", org("s2")),
    ("class", class_("k2", school="s2")),
    ("user", user("amy", role("s1"), agents=[ref("user", "mum")], **AMY)),
    ("user", user("mum", role("s1", kind="parent"))),
    ("user", user("zoe", role("s2"))),
    ("enrollment", enrollment("e1", user="amy")),
    ("demographics", demographics("amy")),
]
START = "2026-09-01T08:00:01.000Z"
MOVED = "2026-09-01T08:00:02.000Z"


async def _ids(http: httpx2.AsyncClient, path: str) -> list[tuple[str, str]]:
    answer = await http.get(path)
    assert answer.status_code == 200
    check_collection(answer.json())
    (rows,) = answer.json().values()
    return [(row["sourcedId"], row["status"]) for row in rows]


async def test_a_student_who_moves_is_a_tombstone_to_the_old_school(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("amy", role("s2"), **AMY | {"givenName": "Newname"})))

    async with publishing.vendor(schools=("s1",)) as http:
        single = (await http.get("/users/amy")).json()
        delta = await _ids(http, f"/users?filter=dateLastModified>'{START}'")
        after = await _ids(http, f"/users?filter=dateLastModified>'{MOVED}'")
        whole = await _ids(http, "/users")
        enrollments = await _ids(http, "/enrollments")
        people = await _ids(http, "/demographics")
        texts = "".join([(await http.get(f"/{p}")).text for p in ("users", "enrollments")])

    check_single(single)
    assert single["user"] == {
        "sourcedId": "amy",
        "status": "tobedeleted",
        "dateLastModified": MOVED,
        "enabledUser": "true",
        "givenName": "",
        "familyName": "",
        "roles": [
            {
                "roleType": "primary",
                "role": "student",
                "org": {"href": "http://roster.test/orgs/s1", "sourcedId": "s1", "type": "org"},
            }
        ],
        "agents": [{"href": "http://roster.test/users/mum", "sourcedId": "mum", "type": "user"}],
    }
    assert delta == [("amy", "tobedeleted")]
    assert after == []
    assert whole == [("amy", "tobedeleted"), ("mum", "active")]
    assert enrollments == [("e1", "tobedeleted")]
    assert people == [("amy", "tobedeleted")]
    for word in ("Newname", "Amy", "s2", "k2", "zoe"):
        assert word not in texts


async def test_the_new_school_sees_who_moved_in_as_new(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("amy", role("s2"), **AMY)))

    async with publishing.vendor(schools=("s2",)) as http:
        users = await _ids(http, f"/users?filter=dateLastModified>'{START}'")
        people = await _ids(http, f"/demographics?filter=dateLastModified>'{START}'")
        person = (await http.get("/demographics/amy")).json()["demographics"]
        enrollment_ = await http.get("/enrollments/e1")

    assert users == [("amy", "active")]
    # Its own record is as old as before: it is the view that it is new to.
    assert people == [("amy", "active")]
    assert person["dateLastModified"] == MOVED
    # The enrolment is still at the old school, which this grant does not see.
    assert enrollment_.status_code == 404


async def test_a_grant_of_both_schools_sees_a_move_as_a_change(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("amy", role("s2"), **AMY)))

    async with publishing.vendor(schools=("s1", "s2")) as http:
        users = await _ids(http, f"/users?filter=dateLastModified>'{START}'")
        # Amy's role is at another school than her class, and both are seen: nothing is left out.
        enrollments = await _ids(http, "/enrollments")
        people = (await http.get("/demographics/amy")).json()["demographics"]

    assert users == [("amy", "active")]
    assert enrollments == [("e1", "active")]
    assert people["dateLastModified"] == START


async def test_who_comes_back_is_active_again_and_newly_stamped(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("amy", role("s2"), **AMY)))
    await publishing.publish(("user", user("amy", role("s1"), **AMY)))

    async with publishing.vendor(schools=("s1",)) as http:
        delta = [
            await _ids(http, f"/{path}?filter=dateLastModified>'{MOVED}'")
            for path in ("users", "enrollments", "demographics")
        ]
        stamp = (await http.get("/enrollments/e1")).json()["enrollment"]["dateLastModified"]

    assert delta == [[("amy", "active")], [("e1", "active")], [("amy", "active")]]
    assert stamp == "2026-09-01T08:00:03.000Z"


async def test_a_class_that_moves_takes_its_enrolments_along(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("class", class_("k1", school="s2", title="Secret")))

    async with publishing.vendor(schools=("s1",)) as http:
        classes = (await http.get("/classes")).json()["classes"]
        enrollments = await _ids(http, "/enrollments")
        course = await http.get("/courses/c1")

    assert [(one["sourcedId"], one["status"], one["title"]) for one in classes] == [
        ("k1", "tobedeleted", "Class k1")
    ]
    assert enrollments == [("e1", "tobedeleted")]
    # The tombstone points at its course, so that stays.
    assert course.status_code == 200


async def test_changes_after_the_leaving_are_not_seen(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("amy", role("s2"), **AMY)))
    async with publishing.vendor(schools=("s1",)) as http:
        before = (await http.get("/users/amy")).text
    await publishing.publish(("user", user("amy", role("s2"), givenName="Other")))
    await publishing.publish(("user", "amy"))

    async with publishing.vendor(schools=("s1",)) as http:
        assert (await http.get("/users/amy")).text == before


async def test_a_pinned_pull_sees_the_scope_of_its_revision(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("amy", role("s2"), **AMY)))
    await publishing.publish(("user", user("amy", role("s1"), **AMY)))

    async with publishing.vendor(schools=("s1",)) as http:
        seen = {}
        for revision in ("1", "2", "3"):
            answer = await http.get("/users", headers={"X-Roster-Revision": revision})
            row = answer.json()["users"][0]
            one = await http.get("/users/amy", headers={"X-Roster-Revision": revision})
            assert one.json()["user"] == row
            seen[revision] = (row["status"], row["givenName"], row["dateLastModified"])

    assert seen == {
        "1": ("active", "Amy", START),
        "2": ("tobedeleted", "", MOVED),
        "3": ("active", "Amy", "2026-09-01T08:00:03.000Z"),
    }


async def test_a_pull_opened_before_a_move_shows_everybody_once(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(schools=("s1",)) as http:
        first = await http.get("/users?limit=1")
        await publishing.publish(("user", user("mum", role("s2", kind="parent"))))
        second = await http.get(first.links["next"]["url"])

    assert first.headers["x-total-count"] == second.headers["x-total-count"] == "2"
    assert [row["status"] for row in second.json()["users"]] == ["active"]


async def test_who_never_was_there_is_nowhere(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("zoe", role("s2"), agents=[ref("user", "amy")])))
    await publishing.publish(("user", "zoe"))

    async with publishing.vendor(schools=("s1",)) as http:
        single = await http.get("/users/zoe")
        asked = await http.get("/users?filter=sourcedId='zoe'")
        course = await http.get("/courses?filter=org.sourcedId='s2'")

    assert single.status_code == 404
    check_error(single.json())
    assert "zoe" not in single.text
    assert [asked.json(), asked.headers["x-total-count"]] == [{"users": []}, "0"]
    assert course.json() == {"courses": []}


async def test_what_left_names_the_delivery_that_moved_it(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("amy", role("s2"), **AMY)), correlation_id="move-7")

    rows = await publishing.rows(
        "SELECT entity, sourced_id, correlation_id FROM roster_publisher.last_seen"
        " WHERE district_id = $1 ORDER BY entity",
        "d1",
    )
    assert [tuple(row.values()) for row in rows] == [
        ("demographics", "amy", "move-7"),
        ("enrollment", "e1", "move-7"),
        ("user", "amy", "move-7"),
    ]


async def test_a_name_that_comes_back_is_seen_where_the_person_is(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("amy", role("s2"), **AMY)))
    await publishing.take(publishing.named("amy", username="amy7"))
    async with publishing.vendor("first", schools=("s1",)) as http:
        left = (await http.get("/users/amy")).json()["user"]
    async with publishing.vendor("second", schools=("s2",)) as http:
        there = await _ids(http, f"/users?filter=dateLastModified>'{MOVED}'")
        named = (await http.get("/users/amy")).json()["user"]
    await publishing.publish(("user", user("amy", role("s1"), **AMY)))
    async with publishing.vendor("second", schools=("s2",)) as http:
        gone = (await http.get("/users/amy")).json()["user"]

    assert (left["status"], left["dateLastModified"]) == ("tobedeleted", MOVED)
    assert "username" not in left
    assert (there, named["username"]) == ([("amy", "active")], "amy7")
    assert gone["status"] == "tobedeleted"
    assert gone["dateLastModified"] > named["dateLastModified"]
    assert gone.keys() & {"username", "email", "metadata"} == set()
