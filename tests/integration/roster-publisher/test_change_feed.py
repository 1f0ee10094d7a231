"""A vendor that reads its change feed ends with what a full pull gives (ADR 0025)."""

import base64
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_common.runtime.database import Database
from roster_publisher.domain.collections import DEMOGRAPHICS, ROSTER
from roster_publisher.domain.rules import Rule
from tests.support.feed_reader import FeedReader, full_pull, kinds
from tests.support.oneroster_records import (
    class_,
    demographics,
    enrollment,
    org,
    role,
    school_world,
    user,
)
from tests.support.publishing import Publishing
from tests.support.slow_commits import FACT, GRANTS, PATIENT, WORLD, Writers

DISTRICTS = itertools.count(1)
DAY_S = 86_400
RULES = (Rule(schools=("s1",)), Rule(courses=("c1",), schools=("s2",)))
MERGE = st.builds(
    lambda n, into: (("user", f"u00{n}"), {"merged_into": f"u00{into}"}),
    st.integers(0, 3),
    st.integers(0, 3),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.one_of(FACT.map(lambda fact: (fact, {})), MERGE)),
        st.tuples(st.just("elsewhere"), FACT),
        st.tuples(st.just("commit"), st.none()),
        st.tuples(
            st.just("page"), st.tuples(st.integers(0, len(GRANTS)), st.sampled_from([1, 2, 50]))
        ),
    ),
    min_size=6,
    max_size=24,
)


@pytest.fixture
async def patient(publisher_url: str) -> AsyncIterator[Database]:
    """A database whose locks may be waited for as long as a test holds them."""
    database = Database(publisher_url, name="test-writers", pool_size=9, **PATIENT)
    yield database
    await database.close()


@given(steps=STEPS)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_a_reader_by_cursor_ends_with_a_full_pull_while_commits_are_slow(
    publishing: Publishing, patient: Database, steps: list[tuple[str, Any]]
) -> None:
    here, there = f"d{next(DISTRICTS)}", f"d{next(DISTRICTS)}"
    await publishing.publish(*WORLD, district=here)
    await publishing.publish(*WORLD, district=there)
    writers = Writers(publishing, patient, here)
    elsewhere = Writers(publishing, patient, there)

    async with (
        publishing.vendor(f"a-{here}", district=here, schools=GRANTS[0]) as first,
        publishing.vendor(f"b-{here}", district=here, schools=GRANTS[1]) as second,
        publishing.vendor(f"c-{here}", district=here, schools=GRANTS[2]) as third,
        publishing.vendor(f"d-{here}", district=here, rules=RULES) as fourth,
        publishing.vendor(f"a-{there}", district=there, schools=GRANTS[1]) as neighbour,
    ):
        readers = [FeedReader(http) for http in (first, second, third, fourth)]
        try:
            for kind, what in steps:
                match kind:
                    case "begin":
                        fact, how = what
                        await writers.begin(fact, **how)
                    case "elsewhere":
                        await elsewhere.begin(what)
                    case "commit":
                        await writers.commit()
                    case _:
                        which, limit = what
                        await readers[which].page(limit=limit)
        finally:
            await writers.finish()
            await elsewhere.finish()
        for reader in (*readers, FeedReader(neighbour)):
            await reader.poll(limit=3)
            assert reader.rows == await full_pull(reader.http)
            assert await reader.poll() == []
        stored = await publishing.rows(
            "SELECT sourced_id, merged_into FROM roster_publisher.object"
            " WHERE district_id = $1 AND entity = 'user' AND merged_into IS NOT NULL",
            here,
        )
        known = readers[0].rows["users"]
        assert readers[0].merged == {
            row["sourced_id"]: row["merged_into"] for row in stored if row["merged_into"] in known
        }


async def test_each_record_is_told_once_in_the_order_of_its_last_change(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=3), ("demographics", demographics("u001")))
    await publishing.publish(("user", user("u000", givenName="Bob")))
    await publishing.publish(("user", "u002"))
    await publishing.publish(("user", user("u000", givenName="Cy")))

    async with publishing.vendor() as http:
        told = await FeedReader(http).poll(limit=2)
        answer = await http.get("/changes", params={"limit": "1"})

    assert kinds(told) == [
        ("orgs.upserted", "s1"),
        ("academicSessions.upserted", "t1"),
        ("courses.upserted", "c1"),
        ("classes.upserted", "k1"),
        ("users.upserted", "u001"),
        ("demographics.upserted", "u001"),
        ("users.deleted", "u002"),
        ("users.upserted", "u000"),
    ]
    assert told[-1]["data"]["givenName"] == "Cy"
    assert answer.headers["x-roster-revision"] == "4"
    assert answer.json()["changes"][0]["data"] == {
        "sourcedId": "s1",
        "status": "active",
        "dateLastModified": "2026-09-01T08:00:01.000Z",
        "name": "School s1",
        "type": "school",
        "identifier": "s1",
    }


async def test_who_leaves_the_schools_of_a_grant_is_told_as_deleted_and_no_more(
    publishing: Publishing,
) -> None:
    amy = {"givenName": "Amy", "email": "amy@example.org"}
    await publishing.publish(
        *school_world(),
        ("org", org("s2")),
        ("class", class_("k2", school="s2")),
        ("user", user("amy", role("s1"), **amy)),
        ("enrollment", enrollment("e1", user="amy")),
        ("demographics", demographics("amy")),
    )
    async with (
        publishing.vendor("one", schools=("s1",)) as one,
        publishing.vendor("two", schools=("s2",)) as two,
    ):
        left, entered = FeedReader(one), FeedReader(two)
        await left.poll()
        before = await entered.poll()

        await publishing.publish(("user", user("amy", role("s2"), **amy)))
        gone, come = await left.poll(), await entered.poll()
        await publishing.publish(("user", user("amy", role("s2"), givenName="Secret")))
        after = await left.poll()
        fresh = await FeedReader(two).poll()

    assert ("users.upserted", "amy") not in kinds(before)
    assert kinds(gone) == [
        ("users.deleted", "amy"),
        ("demographics.deleted", "amy"),
        ("enrollments.deleted", "e1"),
    ]
    assert (gone[0]["data"]["givenName"], "email" in gone[0]["data"]) == ("", False)
    # What entered carries the stamp of the commit that brought it, so it stands at the end.
    assert kinds(come) == [("users.upserted", "amy"), ("demographics.upserted", "amy")]
    assert after == []
    # Once, where she stands now, and not where she came in.
    assert kinds(fresh).count(("users.upserted", "amy")) == 1
    assert kinds(fresh)[-1] == ("users.upserted", "amy")


async def test_a_merge_is_told_with_the_id_that_stands_for_the_ended_one(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=2), ("org", org("s2")))
    await publishing.publish(("user", user("kept", role("s2"))))
    async with publishing.vendor("all") as whole, publishing.vendor("s1", schools=("s1",)) as one:
        reader, narrow = FeedReader(whole), FeedReader(one)
        await reader.poll()
        await narrow.poll()

        merge = await publishing.publish(("user", "u000"), merged_into="kept")
        told, hidden = await reader.poll(), await narrow.poll()
        again = await publishing.publish(("user", "u000"), merged_into="kept")
        only_gone = await publishing.publish(("user", "u000"))
        nothing = await reader.poll()
        await publishing.publish(("user", user("u000")))
        split = await reader.poll()

    assert [(one["type"], one["sourcedId"], one["mergedInto"]) for one in told] == [
        ("users.merged", "u000", "kept")
    ]
    assert told[0]["data"]["status"] == "tobedeleted"
    # An id out of sight is nowhere: this grant only learns that the record is gone.
    assert kinds(hidden) == [("users.deleted", "u000")]
    assert merge.revision == 3
    assert (again.revision, only_gone.revision, nothing) == (None, None, [])
    assert kinds(split) == [("users.upserted", "u000")]


@pytest.mark.parametrize("schools", [None, ("s1",)])
async def test_a_merge_tells_along_what_stands_for_the_ended_id(
    publishing: Publishing, schools: tuple[str, ...] | None
) -> None:
    await publishing.publish(*school_world(users=1), ("org", org("s2")))
    async with publishing.vendor(schools=schools) as http:
        reader = FeedReader(http)
        await reader.poll()
        kept = user("zoe", role("s1"), role("s2", kind="teacher"), givenName="Zoe")
        # In one commit, and behind the ended one in its order.
        merge = [
            publishing.change("user", kept),
            publishing.change("user", "u000", merged_into="zoe"),
        ]
        await publishing.apply(merge)
        more = await reader.page(limit=1)
        (first,) = reader.told[-1:]
        single = (await http.get("/users/zoe")).json()["user"]
        await reader.poll()

    assert more
    assert (first["type"], first["sourcedId"]) == ("users.merged", "u000")
    assert first["into"] == single == reader.rows["users"]["zoe"]
    assert len(single["roles"]) == (2 if schools is None else 1)
    assert kinds(reader.told)[-1] == ("users.upserted", "zoe")


async def test_a_merge_is_told_also_of_an_id_that_had_gone_before(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=2))
    await publishing.publish(("user", "u000"))
    async with publishing.vendor(schools=("s1",)) as http:
        reader = FeedReader(http)
        await reader.poll()
        await publishing.publish(("user", "u000"), merged_into="u001")
        told = await reader.poll()

    assert kinds(told) == [("users.merged", "u000")]
    assert told[0]["mergedInto"] == "u001"


@pytest.mark.parametrize("schools", [None, ("s1",)])
async def test_a_cursor_that_has_missed_a_deletion_is_gone(
    publishing: Publishing, schools: tuple[str, ...] | None
) -> None:
    await publishing.publish(*school_world(users=3))
    async with publishing.vendor(schools=schools) as http:
        early, late = FeedReader(http), FeedReader(http)
        await early.poll()
        if schools is None:
            await publishing.publish(("user", "u000"))
        else:
            await publishing.publish(("org", org("s2")))
            await publishing.publish(("user", user("u000", role("s2"))))
        await late.poll()
    publishing.clock.advance(91 * DAY_S)
    await publishing.publish(("user", user("u001", givenName="Bob")))
    async with publishing.vendor(schools=schools) as http:
        before = await http.get("/changes", params={"after": early.cursor or ""})
    await publishing.purge()
    async with publishing.vendor(schools=schools) as http:
        gone = await http.get("/changes", params={"after": early.cursor or ""})
        late.http = http
        told = await late.poll()
        anew = FeedReader(http)
        await anew.poll(limit=1)
        whole = await full_pull(http)

    assert before.status_code == 200
    assert (gone.status_code, gone.json()["code"]) == (410, "cursor_gone")
    assert "without `after`" in gone.json()["detail"]
    assert kinds(told) == [("users.upserted", "u001")]
    assert anew.rows == whole
    assert "u000" not in anew.rows["users"]


async def test_a_quiet_district_makes_no_cursor_old(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=2))
    await publishing.publish(("user", "u000"))
    async with publishing.vendor() as http:
        reader = FeedReader(http)
        await reader.poll()
    publishing.clock.advance(200 * DAY_S)
    await publishing.purge()
    async with publishing.vendor() as http:
        reader.http = http
        assert await reader.poll() == []
    publishing.clock.advance(200 * DAY_S)
    await publishing.publish(("user", user("u001", givenName="Bob")))
    async with publishing.vendor() as http:
        reader.http = http
        assert kinds(await reader.poll()) == [("users.upserted", "u001")]


async def test_who_began_after_a_deletion_does_not_miss_it(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=3))
    await publishing.publish(("user", "u000"))
    publishing.clock.advance(91 * DAY_S)
    async with publishing.vendor() as http:
        reader = FeedReader(http)
        assert await reader.page(limit=1)
        await publishing.purge()
        await reader.poll(limit=1)
        assert reader.rows == await full_pull(http)


async def test_a_changed_grant_is_told_and_everything_follows(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor("v", schools=("s1",)) as http:
        reader = FeedReader(http)
        await reader.poll()
    for schools, fields in ((("s1", "s2"), None), (("s1", "s2"), frozenset({"names"}))):
        async with publishing.vendor("v", schools=schools, fields=fields) as http:
            reader.http = http
            assert await reader.page(limit=50)
            assert kinds(reader.told[-1:]) == [("grant.changed", "")]
            await reader.poll(limit=2)
            assert reader.rows == await full_pull(http)
            assert await reader.poll() == []


async def test_a_token_opens_its_collections_and_nothing_else(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    for scope, opens in ((ROSTER, {"users", "orgs"}), (DEMOGRAPHICS, {"demographics"})):
        async with publishing.vendor(f"v-{opens}", scopes=frozenset({scope})) as http:
            told = await FeedReader(http).poll()
            paths = {one["type"].partition(".")[0] for one in told}
            assert opens <= paths
            assert ("demographics" in paths) == (scope == DEMOGRAPHICS)
            assert ("users" in paths) == (scope == ROSTER)


async def test_doors_are_shut_without_a_token_or_with_nonsense(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.http() as http:
        nobody = await http.get("/changes")
        stranger = await http.get("/changes", headers={"authorization": "Bearer x"})
    async with publishing.vendor() as http:
        nonsense = [
            await http.get("/changes", params={"after": text})
            for text in (
                "",
                "x",
                "%%%",
                _plain("1:00:0:0:0:x"),
                _plain(f"1:{'0' * 16}::9{'9' * 14}:0:"),
            )
        ]
        nul = await http.get("/changes", params={"after": _plain(f"1:{'0' * 16}::1:0:a\x00b")})
        limits = [await http.get("/changes", params={"limit": n}) for n in ("0", "5001", "x")]

    assert [(a.status_code, a.json()["code"]) for a in (nobody, stranger)] == [
        (401, "token_missing"),
        (401, "token_refused"),
    ]
    assert {(a.status_code, a.json()["code"]) for a in (*nonsense, nul)} == {(400, "bad_cursor")}
    assert [a.status_code for a in limits] == [422, 422, 422]


async def test_an_ended_agreement_ends_the_feed(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    ends = publishing.clock.now() + timedelta(seconds=1_000)
    async with publishing.vendor(expires_at=ends) as http:
        before = await http.get("/changes")
        publishing.clock.advance(1_000)
        after = await http.get("/changes")
    assert before.status_code == 200
    assert (after.status_code, after.json()["code"]) == (403, "agreement_ended")


async def test_a_district_never_heard_of_has_nothing_to_tell_yet(publishing: Publishing) -> None:
    async with publishing.vendor() as http:
        reader = FeedReader(http)
        assert await reader.poll() == []
        await publishing.publish(*WORLD)
        await reader.poll()
        assert reader.rows == await full_pull(http)


def _plain(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


async def test_no_index_of_the_feed_is_taken_for_one_of_ids(publishing: Publishing) -> None:
    # Without counts, which a table has not while a first load fills it, the planner takes any index
    # that begins with district and entity for one that finds a record: ten times slower.
    rows = await publishing.rows(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'roster_publisher'"
        " AND tablename IN ('object', 'scope_member')"
    )
    begin = [row["indexdef"] for row in rows if "(district_id, entity, " in row["indexdef"]]
    assert begin
    assert all("(district_id, entity, sourced_id" in one for one in begin)
