"""A rule becomes a scope of a district that is there, once and whole, and ends when nobody names it.

What is in a rule's scope is `test_rule_scopes`' matter; here are the moves one by one.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from roster_common.runtime.tokens import new_keypair
from roster_publisher.domain.rules import Rule
from roster_publisher.settings import ClientSetting
from tests.support.eventually import eventually
from tests.support.official_oneroster import check_single
from tests.support.oneroster_records import (
    class_,
    course,
    demographics,
    enrollment,
    org,
    role,
    school_world,
    user,
)
from tests.support.processes import start_program, start_service
from tests.support.publishing import Publishing

HOUR = 3_600
FIFTH, SIXTH = Rule(grades=("05",)), Rule(grades=("06",))
MATH = Rule(subjects=("math",))
# Amy is in by her grade; Bob, a sixth-grader, by a class of fifth-graders; Cyd not at all.
WORLD: list[tuple[str, Any]] = [
    *school_world(),
    ("org", org("s2")),
    ("course", course("c5", grades=["05"], subjects=["math"])),
    ("class", class_("k5", course="c5")),
    ("user", user("amy", grades=["05"])),
    ("user", user("bob", grades=["06"], email="bob@example.org")),
    ("user", user("cyd", role("s2"), grades=["06"])),
    ("user", user("dan", role(kind="teacher"), role("s2", kind="teacher"))),
    ("enrollment", enrollment("e-amy", user="amy")),
    ("enrollment", enrollment("e-bob", user="bob", class_id="k5")),
    ("enrollment", enrollment("e-dan", user="dan", class_id="k5", role="teacher")),
    ("demographics", demographics("bob")),
]
PATHS = ("orgs", "courses", "classes", "users", "enrollments", "demographics")
NOTHING: dict[str, list[str]] = {path: [] for path in PATHS}
IN_FIFTH = {
    "orgs": ["s1", "s2"],
    "courses": ["c5"],
    "classes": ["k5"],
    "users": ["amy", "bob", "dan"],
    "enrollments": ["e-bob", "e-dan"],
    "demographics": ["bob"],
}


async def _seen(http: httpx2.AsyncClient, query: str = "") -> dict[str, list[str]]:
    """Ids of every collection; with a mark at those that are tombstones."""
    seen = {}
    for path in PATHS:
        (rows,) = (await http.get(f"/{path}{query}")).json().values()
        seen[path] = [
            row["sourcedId"] + ("†" if row["status"] == "tobedeleted" else "") for row in rows
        ]
    return seen


async def _revision(publishing: Publishing) -> int:
    rows = await publishing.rows("SELECT revision FROM roster_publisher.district_revision")
    return int(rows[0]["revision"])


async def _members(publishing: Publishing) -> list[tuple[Any, ...]]:
    rows = await publishing.rows(
        "SELECT scope_id, entity, sourced_id, since_rev, until_rev"
        " FROM roster_publisher.scope_member WHERE scope_id LIKE 'rule:%' ORDER BY 1, 2, 3, 4"
    )
    return [tuple(row.values()) for row in rows]


async def test_a_new_rule_is_filled_in_a_commit_of_its_own(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    publishing.clock.advance(1)

    async with (
        publishing.vendor(rules=(FIFTH,)) as http,
        publishing.vendor("school", schools=("s1",)) as school,
    ):
        seen = await _seen(http)
        stamp = (await http.get("/users/bob")).json()["user"]["dateLastModified"]
        old = (await school.get("/users/bob")).json()["user"]["dateLastModified"]

    assert seen == IN_FIFTH
    # It is new to this view, and to this one alone.
    assert (stamp, old) == ("2026-09-01T08:00:02.000Z", "2026-09-01T08:00:01.000Z")
    assert await _revision(publishing) == 2


async def test_the_same_rule_of_many_grants_is_one_scope_and_one_commit(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor("a", rules=(FIFTH,)):
        members = await _members(publishing)
    async with publishing.vendor("b", rules=(Rule(grades=("05", "05")),), schools=("s2",)) as http:
        users = (await _seen(http))["users"]

    assert await _members(publishing) == members
    assert await _revision(publishing) == 2
    assert users == ["amy", "bob", "cyd", "dan"]


async def test_a_rule_that_nothing_meets_takes_no_revision(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(rules=(Rule(courses=("nothing",), schools=("s9",)),)) as http:
        assert await _seen(http) == NOTHING
    assert await _revision(publishing) == 1


async def test_whose_last_enrolment_ends_is_a_tombstone_stamped_then(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with (
        publishing.vendor("rule", rules=(FIFTH,)) as http,
        publishing.vendor("other", rules=(SIXTH,)) as other,
        publishing.vendor("school", schools=("s1",)) as school,
    ):
        await publishing.publish(("enrollment", "e-bob"))
        since = "?filter=dateLastModified>'2026-09-01T08:00:01.500Z'"
        delta, elsewhere = await _seen(http, since), await _seen(other, since)
        there = await _seen(school, since)
        bob = (await http.get("/users/bob")).json()

    assert delta["users"] == ["bob†"]
    assert delta["demographics"] == ["bob†"]
    assert delta["enrollments"] == ["e-bob†"]
    check_single(bob)
    assert bob["user"]["dateLastModified"] == "2026-09-01T08:00:02.000Z"
    assert (bob["user"]["givenName"], "email" in bob["user"]) == ("", False)
    # Bob is a sixth-grader still, and still at this school: to these he is as he was.
    assert elsewhere == NOTHING
    assert there == NOTHING | {"enrollments": ["e-bob†"]}


async def test_who_comes_back_is_active_again(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(rules=(FIFTH,)) as http:
        await publishing.publish(("enrollment", "e-bob"))
        await publishing.publish(("enrollment", enrollment("e-bob", user="bob", class_id="k5")))
        after = await _seen(http, "?filter=dateLastModified>'2026-09-01T08:00:02.000Z'")
        stamps = [
            (await http.get(f"/{path}/bob")).json()[single]["dateLastModified"]
            for path, single in (("users", "user"), ("demographics", "demographics"))
        ]

    assert (after["users"], after["demographics"]) == (["bob"], ["bob"])
    assert stamps == ["2026-09-01T08:00:03.000Z"] * 2


async def test_a_course_takes_along_its_classes_and_whoever_is_in_them(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with (
        publishing.vendor("fifth", rules=(FIFTH,)) as fifth,
        publishing.vendor("seventh", rules=(Rule(grades=("07",)),)) as seventh,
    ):
        await publishing.publish(
            ("course", course("c5", grades=["07"])), correlation_id="course-moves"
        )
        left, came = await _seen(fifth), await _seen(seventh)

    assert left == IN_FIFTH | {
        "classes": ["k5†"],
        "users": ["amy", "bob†", "dan†"],
        "enrollments": ["e-bob†", "e-dan†"],
        "demographics": ["bob†"],
    }
    assert came == IN_FIFTH | {"users": ["bob", "dan"]}
    causes = await publishing.rows("SELECT DISTINCT correlation_id FROM roster_publisher.last_seen")
    assert causes == [{"correlation_id": "course-moves"}]


async def test_a_persons_roles_decide_what_a_rule_of_schools_shows(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    rule = Rule(schools=("s1",), grades=("05",))
    async with publishing.vendor(rules=(rule,)) as http:
        await publishing.publish(("user", user("bob", role("s2"), grades=["06"])))
        seen = await _seen(http)
        whole = await http.get("/users")

    # He is in the class still, but has no role that this vendor may be told of.
    assert seen == IN_FIFTH | {
        "orgs": ["s1"],
        "users": ["amy", "bob†", "dan"],
        "enrollments": ["e-bob†", "e-dan"],
        "demographics": ["bob†"],
    }
    assert "s2" not in whole.text


async def test_a_rule_of_a_course_or_subject_takes_no_student_by_grade(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(rules=(MATH,)) as http:
        users = (await _seen(http))["users"]
    async with publishing.vendor("both", rules=(Rule(subjects=("math",), grades=("06",)),)) as http:
        neither = (await _seen(http))["users"]

    assert (users, neither) == (["bob", "dan"], [])


async def test_a_rule_that_no_grant_names_ends_after_an_hour(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor("a", rules=(FIFTH,)), publishing.vendor("b", rules=(MATH,)):
        pass
    del publishing.clients["a"]
    await publishing.seed()
    await publishing.purge()
    soon = {row[0] for row in await _members(publishing)}
    publishing.clock.advance(HOUR + 1)
    await publishing.purge()

    assert soon == {FIFTH.scope_id, MATH.scope_id}
    assert {row[0] for row in await _members(publishing)} == {MATH.scope_id}
    matched = await publishing.rows("SELECT DISTINCT unnest(rule_ids) FROM roster_publisher.object")
    assert [row["unnest"] for row in matched] == [MATH.scope_id]
    # What is published now matches the rules of now, and the first rule may come again.
    await publishing.publish(("user", user("eve", grades=["05"])))
    assert not [row for row in await _members(publishing) if row[2] == "eve"]
    async with publishing.vendor("a", rules=(FIFTH,)) as http:
        assert (await _seen(http))["users"] == ["amy", "bob", "dan", "eve"]


def test_a_rule_needs_a_condition_that_something_can_meet() -> None:
    given = {"id": "a", "secret": "x", "district": "d1", "scopes": []}
    for rules in ([{}], [{"grades": []}], [{"grades": [""]}], [{"grade": ["05"]}]):
        with pytest.raises(ValidationError):
            ClientSetting.model_validate(given | {"rules": rules})
    whole = ClientSetting.model_validate(given | {"rules": [{"grades": ["06", "05"]}]})
    assert whole.rules[0].rule() == Rule(grades=("05", "06"))


@pytest.mark.parametrize(
    ("failpoint", "kept"),
    [("publisher.scopes.before_commit", 0), ("publisher.scopes.after_commit", 1)],
)
async def test_a_crash_in_the_filling_leaves_all_or_nothing(
    publishing: Publishing, publisher_url: str, tmp_path: Path, failpoint: str, kept: int
) -> None:
    await publishing.publish(*WORLD)
    _, public_key = new_keypair()
    client = {"id": "v", "secret": "demo-secret", "district": "d1", "scopes": []}
    environment = {
        "HOMEROOM_DATABASE_URL": publisher_url,
        "HOMEROOM_ENVIRONMENT": "test",
        "HOMEROOM_OPERATOR_PUBLIC_KEY": public_key,
        "HOMEROOM_CLIENTS": json.dumps([client | {"rules": [{"grades": ["05"]}]}]),
    }
    hit = tmp_path / "hit"
    doomed = start_program(
        "roster_publisher",
        folder=tmp_path,
        env=environment | {"HOMEROOM_FAILPOINT": failpoint, "HOMEROOM_FAILPOINT_FILE": str(hit)},
    )
    code = await asyncio.to_thread(doomed.wait_for_exit)
    scopes = await publishing.rows("SELECT scope_id FROM roster_publisher.scope")
    granted = await publishing.rows("SELECT client_id FROM roster_publisher.grant_")
    revision = await _revision(publishing)

    assert (code, hit.exists(), len(scopes), granted) == (-9, True, kept, [])
    assert revision == 1 + kept
    assert bool(await _members(publishing)) == bool(kept)

    program = start_service("roster_publisher", folder=tmp_path, env=environment)
    try:

        async def granted_now() -> bool:
            return bool(await publishing.rows("SELECT 1 FROM roster_publisher.grant_"))

        await eventually(granted_now, within_s=20, what="the grant")
    finally:
        program.kill()
    assert await _revision(publishing) == 2
    members = [(row[1], row[2]) for row in await _members(publishing)]
    assert len(members) == len(set(members)) == sum(len(ids) for ids in IN_FIFTH.values())
