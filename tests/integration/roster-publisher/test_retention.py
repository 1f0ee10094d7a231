"""A deletion stays visible for the published retention and goes only then (invariant 5)."""

import itertools
from datetime import timedelta
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import COLLECTIONS, KNOWN_SCOPES
from roster_publisher.domain.fragments import HOST_MARK
from roster_publisher.domain.queries import CollectionQuery
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

DAY = 86_400
DISTRICTS = itertools.count(1)


async def test_a_deletion_is_there_for_ninety_days_and_not_longer(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=2))
    await publishing.publish(("user", "u001"))
    stamp = "2026-09-01T08:00:02.000Z"

    async with publishing.vendor() as http:
        publishing.clock.advance(90 * DAY - 1)
        await publishing.purge()
    async with publishing.vendor() as http:
        single = (await http.get("/users/u001")).json()["user"]
        assert (single["status"], single["dateLastModified"]) == ("tobedeleted", stamp)
        publishing.clock.advance(2)
        await publishing.purge()
    async with publishing.vendor() as http:
        gone = await http.get("/users/u001")
        rest = await http.get("/users")

    assert gone.status_code == 404
    assert [row["sourcedId"] for row in rest.json()["users"]] == ["u000"]
    assert rest.headers["x-total-count"] == "1"


async def test_a_district_that_fails_keeps_nothing_else_waiting(publishing: Publishing) -> None:
    for district in ("d0", "d1"):
        await publishing.publish(*school_world(users=2), district=district)
        await publishing.publish(("user", "u001"), district=district)
    await publishing.rows(
        "CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'not d0'; END $$"
    )
    await publishing.rows(
        "CREATE TRIGGER refuse BEFORE DELETE ON roster_publisher.object FOR EACH ROW"
        " WHEN (OLD.district_id = 'd0') EXECUTE FUNCTION refuse_it()"
    )
    publishing.clock.advance(91 * DAY)

    await publishing.purge()

    held = await publishing.rows(
        "SELECT district_id FROM roster_publisher.object WHERE sourced_id = 'u001'"
    )
    assert held == [{"district_id": "d0"}]
    left = "SELECT count(*) AS n FROM roster_publisher.object_history WHERE archived_at < $1"
    assert await publishing.rows(left, publishing.clock.now() - timedelta(hours=24)) == [{"n": 0}]


async def test_what_is_not_deleted_is_never_purged(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=2))
    publishing.clock.advance(400 * DAY)
    await publishing.purge()

    assert await publishing.rows(
        "SELECT revision FROM roster_publisher.district_revision WHERE district_id = 'd1'"
    ) == [{"revision": 1}]


async def test_a_tombstone_that_is_pointed_at_stays(publishing: Publishing) -> None:
    await publishing.publish(
        *school_world(users=1),
        ("user", user("mum", role(kind="parent"))),
        ("user", user("kid", agents=[ref("user", "mum")])),
        ("enrollment", enrollment("e1", user="u000")),
    )
    await publishing.publish(("user", "u000"), ("user", "mum"))
    publishing.clock.advance(91 * DAY)
    await publishing.purge()
    async with publishing.vendor() as http:
        users = (await http.get("/users")).json()["users"]
    assert [row["sourcedId"] for row in users] == ["kid", "mum", "u000"]

    await publishing.publish(("enrollment", "e1"), ("user", user("kid")))
    publishing.clock.advance(91 * DAY)
    await publishing.purge()
    async with publishing.vendor() as http:
        users = (await http.get("/users")).json()["users"]
    assert [row["sourcedId"] for row in users] == ["kid"]


async def test_tombstones_that_only_point_at_one_another_go_together(
    publishing: Publishing,
) -> None:
    await publishing.publish(
        *school_world(users=1),
        ("user", user("mum", role(kind="parent"), agents=[ref("user", "kid")])),
        ("user", user("kid", agents=[ref("user", "mum")])),
        ("demographics", demographics("kid")),
    )
    await publishing.publish(("user", "mum"), ("user", "kid"), ("demographics", "kid"))
    publishing.clock.advance(91 * DAY)
    await publishing.purge()

    async with publishing.vendor() as http:
        users = (await http.get("/users")).json()["users"]
        people = (await http.get("/demographics")).json()["demographics"]
    assert [row["sourcedId"] for row in users] == ["u000"]
    assert people == []


async def test_a_purge_takes_along_what_was_concluded_and_allocated(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=2))
    for who in ("u000", "u001"):
        await publishing.take(publishing.named(who, username=f"name-{who}"))
    await publishing.derive()
    await publishing.publish(("user", "u001"), ("class", "k1"))
    await publishing.derive()
    publishing.clock.advance(91 * DAY)
    await publishing.purge()
    publishing.clock.advance(DAY + 1)
    await publishing.purge()

    left: dict[str, list[str]] = {}
    for table, column in (
        ("object", "sourced_id"),
        ("object_history", "sourced_id"),
        ("allocated_name", "person_id"),
        ("person_state", "person_id"),
        ("class_state", "class_id"),
    ):
        rows = await publishing.rows(
            f"SELECT {column} AS id FROM roster_publisher.{table} WHERE district_id = $1", "d1"
        )
        left[table] = sorted({row["id"] for row in rows} & {"u000", "u001", "k1"})
    assert left == {
        "object": ["u000"],
        "object_history": [],
        "allocated_name": ["u000"],
        "person_state": ["u000"],
        "class_state": [],
    }


async def test_a_name_that_comes_for_a_deleted_user_does_not_renew_the_tombstone(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.publish(("user", "u000"))
    publishing.clock.advance(60 * DAY)
    taken = await publishing.take(publishing.named("u000", username="ada"))
    async with publishing.vendor() as http:
        tombstone = (await http.get("/users/u000")).json()["user"]
    await publishing.publish(("user", user("u000")))
    async with publishing.vendor() as http:
        back = (await http.get("/users/u000")).json()["user"]

    assert (taken.revision, taken.kept) == (None, 1)
    assert tombstone["dateLastModified"] == "2026-09-01T08:00:02.000Z"
    assert (back["status"], back["username"]) == ("active", "ada")


async def test_a_pull_that_is_open_goes_on_over_a_purge(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=4))
    await publishing.publish(("user", "u002"))
    publishing.clock.advance(91 * DAY)

    async with publishing.vendor() as http:
        first = await http.get("/users?limit=2")
        await publishing.purge()
        second = await http.get("/users?limit=2&offset=2")
        anew = await http.get("/users")

    assert [row["sourcedId"] for row in second.json()["users"]] == ["u002", "u003"]
    assert first.headers["x-roster-revision"] == second.headers["x-roster-revision"] == "2"
    assert anew.headers["x-roster-revision"] == "3"


async def test_what_left_a_scope_is_a_tombstone_for_ninety_days(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1), ("org", org("s2")))
    await publishing.publish(
        ("user", user("u000", role("s2"))), ("class", class_("k1", school="s2"))
    )
    publishing.clock.advance(90 * DAY - 1)
    await publishing.purge()
    async with publishing.vendor(schools=("s1",)) as http:
        assert (await http.get("/users/u000")).json()["user"]["status"] == "tobedeleted"
        first = await http.get("/users?limit=1", headers={"X-Roster-Revision": "2"})
        publishing.clock.advance(2)
        await publishing.purge()
        pinned = await http.get("/users?limit=1", headers={"X-Roster-Revision": "2"})
    async with publishing.vendor(schools=("s1",)) as http:
        gone = await http.get("/users/u000")
        counts = [(await http.get(f"/{p}")).headers["x-total-count"] for p in ("users", "classes")]
    async with publishing.vendor(schools=("s2",)) as http:
        there = await http.get("/users/u000")

    assert first.json() == pinned.json()
    assert [gone.status_code, there.status_code] == [404, 200]
    assert counts == ["0", "0"]
    # A day later it is out of the tables too.
    publishing.clock.advance(DAY + 1)
    await publishing.purge()
    assert (
        await publishing.rows("SELECT * FROM roster_publisher.last_seen WHERE district_id = 'd1'")
        == []
    )


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 60)), min_size=3, max_size=10
    )
)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_at_any_time_exactly_the_deletions_of_ninety_days_are_seen(
    publishing: Publishing, steps: list[tuple[int, bool, int]]
) -> None:
    district = f"d{next(DISTRICTS)}"
    await publishing.publish(*school_world(), district=district)
    kept = timedelta(days=90)
    deleted_at: dict[str, object] = {}
    active: set[str] = set()

    for number, deletes, days in steps:
        publishing.clock.advance(days * DAY)
        who = f"u{number}"
        fact = ("user", who) if deletes else ("user", user(who, givenName=f"N{days}"))
        was_active = who in active
        await publishing.publish(fact, district=district)
        now = publishing.clock.now()
        if not deletes:
            active.add(who)
            deleted_at.pop(who, None)
        elif was_active:
            active.discard(who)
            deleted_at[who] = now
        await publishing.purge()
        deleted_at = {w: at for w, at in deleted_at.items() if at >= now - kept}  # type: ignore[operator]
        rows = await _users(publishing, district)
        assert {r["sourcedId"] for r in rows if r["status"] == "tobedeleted"} == set(deleted_at)
        assert {r["sourcedId"] for r in rows if r["status"] == "active"} == active


async def _users(publishing: Publishing, district: str) -> list[dict[str, Any]]:
    """As a grant of the whole district is served, without the door: tokens end within the hour."""
    grant = Grant(district_id=district, client_id="v", token_scopes=KNOWN_SCOPES)
    query = CollectionQuery(grant=grant, collection=COLLECTIONS["users"])
    page = await publishing.reads.current_page(query, limit=100)
    rows: list[dict[str, Any]] = orjson.loads(b"[%b]" % page.body.replace(HOST_MARK.encode(), b""))
    return rows
