"""A deletion stays visible for the published retention and goes only then (invariant 5)."""

import itertools
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.oneroster_records import class_, enrollment, org, ref, role, school_world, user
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
        st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 60)), min_size=3, max_size=15
    )
)
@settings(
    max_examples=12,
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
        async with publishing.vendor(f"v-{district}", district=district) as http:
            rows = (await http.get("/users")).json()["users"]
        assert {r["sourcedId"] for r in rows if r["status"] == "tobedeleted"} == set(deleted_at)
        assert {r["sourcedId"] for r in rows if r["status"] == "active"} == active
