"""Pulls agree with themselves while the roster changes, held against a brute-force model."""

import asyncio
import itertools
from datetime import timedelta

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.oneroster_records import org, school_world, user
from tests.support.publishing import Publishing

Model = dict[str, tuple[str, str]]

DISTRICTS = itertools.count(1)
WRITE = st.tuples(
    st.just("write"),
    st.lists(
        st.tuples(st.integers(0, 11), st.sampled_from(["Ada", "Bob", "Cyd", "delete"])),
        min_size=1,
        max_size=5,
    ),
)
PAGE = st.tuples(st.just("page"), st.integers(0, 2))
STEPS = st.lists(st.one_of(WRITE, PAGE), min_size=4, max_size=30)


class Puller:
    """A vendor that pages by offset and remembers what it saw; knows nothing of the server."""

    def __init__(self, http: httpx2.AsyncClient, *, limit: int) -> None:
        self._http = http
        self._limit = limit
        self.seen: list[tuple[str, str, str]] = []
        self.revision: int | None = None
        self.finished: list[tuple[int, list[tuple[str, str, str]]]] = []

    async def turn(self) -> None:
        """Fetch one page; at the end, note the pull and begin anew."""
        answer = await self._http.get(f"/users?limit={self._limit}&offset={len(self.seen)}")
        revision = int(answer.headers["x-roster-revision"])
        assert self.revision in {None, revision}
        self.revision = revision
        rows = answer.json()["users"]
        self.seen += [(row["sourcedId"], row["givenName"], row["status"]) for row in rows]
        if len(self.seen) >= int(answer.headers["x-total-count"]):
            self.finished.append((revision, self.seen))
            self.seen, self.revision = [], None


@given(steps=STEPS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_every_pull_is_the_roster_of_one_revision(
    publishing: Publishing, steps: list[tuple[str, object]]
) -> None:
    district = f"d{next(DISTRICTS)}"
    await publishing.publish(*school_world(), district=district)
    roster: Model = {}
    at_revision: dict[int, Model] = {1: {}}

    async with publishing.vendor(f"v-{district}", district=district) as http:
        pullers = [Puller(http, limit=limit) for limit in (1, 2, 5)]
        for kind, what in steps:
            if kind == "page":
                await pullers[what].turn()  # type: ignore[call-overload]
                continue
            facts = [_fact(number, name, roster) for number, name in what]  # type: ignore[attr-defined]
            applied = await publishing.publish(*facts, district=district)
            if applied.revision is not None:
                at_revision[applied.revision] = dict(roster)
        for puller in pullers:
            for _ in range(30):
                await puller.turn()
                if puller.finished and not puller.seen:
                    break

    for puller in pullers:
        assert puller.finished
        for revision, seen in puller.finished:
            model = at_revision[revision]
            assert seen == [(who, *model[who]) for who in sorted(model)]


def _fact(number: int, name: str, roster: Model) -> tuple[str, object]:
    """A change, also made to the model."""
    who = f"u{number:02d}"
    if name == "delete":
        if who in roster:
            roster[who] = (roster[who][0], "tobedeleted")
        return "user", who
    roster[who] = (name, "active")
    return "user", user(who, givenName=name)


async def test_a_pull_goes_on_while_writers_are_busy(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=60))
    done = asyncio.Event()

    async def write() -> None:
        for n in itertools.count():
            if done.is_set():
                return
            await publishing.publish(
                ("user", user(f"u{n % 60:03d}", givenName=f"N{n}")),
                ("user", user(f"new{n:04d}")),
            )

    async with publishing.vendor() as http, asyncio.TaskGroup() as group:
        group.create_task(write())
        for _ in range(5):
            seen: list[str] = []
            revisions = set()
            total = None
            while total is None or len(seen) < total:
                answer = await http.get(f"/users?limit=7&offset={len(seen)}")
                total = int(answer.headers["x-total-count"])
                revisions.add(answer.headers["x-roster-revision"])
                seen += [row["sourcedId"] for row in answer.json()["users"]]
            assert len(revisions) == 1
            assert len(set(seen)) == len(seen) == total
        done.set()


async def test_a_vendor_with_a_watermark_misses_nothing(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=3))
    copy: dict[str, str] = {}
    watermark = "2000-01-01"

    async with publishing.vendor() as http:
        for n in range(12):
            await publishing.publish(("user", user(f"u{n % 4:03d}", givenName=f"N{n}")))
            if n % 3 == 0:
                answer = await http.get(f"/users?filter=dateLastModified>'{watermark}'")
                for row in answer.json()["users"]:
                    copy[row["sourcedId"]] = row["givenName"]
                    watermark = max(watermark, row["dateLastModified"])
        answer = await http.get(f"/users?filter=dateLastModified>'{watermark}'")
        copy |= {row["sourcedId"]: row["givenName"] for row in answer.json()["users"]}
        whole = await http.get("/users")

    assert copy == {row["sourcedId"]: row["givenName"] for row in whole.json()["users"]}


async def test_a_revision_can_be_pinned_and_is_gone_when_purged(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.publish(("org", org("s1", name="Second")))
    await publishing.publish(("org", org("s1", name="Third")))

    async with publishing.vendor() as http:
        names = {}
        for revision in ("1", "2", "3"):
            answer = await http.get("/orgs", headers={"X-Roster-Revision": revision})
            names[answer.headers["x-roster-revision"]] = answer.json()["orgs"][0]["name"]
            single = await http.get("/schools/s1", headers={"X-Roster-Revision": revision})
            assert single.json()["org"]["name"] == names[revision]
        future = await http.get("/orgs", headers={"X-Roster-Revision": "4"})
        nonsense = await http.get("/orgs", headers={"X-Roster-Revision": "x"})
        publishing.clock.advance(23 * 3600)
        await publishing.publish(("org", org("s1", name="Fourth")))
        publishing.clock.advance(2 * 3600)
        await publishing.housekeeping.purge(
            now=publishing.clock.now(),
            keep_history=timedelta(hours=24),
            keep_tombstones=timedelta(days=90),
            keep_audit=timedelta(days=400),
        )

    async with publishing.vendor() as http:
        after = {
            (path, revision): (
                await http.get(path, headers={"X-Roster-Revision": revision})
            ).status_code
            for path in ("/orgs", "/orgs/s1")
            for revision in ("1", "2", "3", "4", "5")
        }

    assert names == {"1": "School s1", "2": "Second", "3": "Third"}
    assert [future.status_code, nonsense.status_code] == [400, 400]
    told = {"1": 410, "2": 410, "3": 200, "4": 200, "5": 400}
    assert after == {(path, r): told[r] for path in ("/orgs", "/orgs/s1") for r in told}


async def test_a_pull_survives_a_restart_of_the_service(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=10))
    async with publishing.vendor() as http:
        first = await http.get("/users?limit=4")
    await publishing.publish(("user", user("u000x")))

    async with publishing.vendor() as http:
        second = await http.get("/users?limit=4&offset=4")

    assert first.headers["x-roster-revision"] == second.headers["x-roster-revision"] == "1"
    assert second.headers["x-total-count"] == "10"
    assert [row["sourcedId"] for row in second.json()["users"]] == [
        "u004",
        "u005",
        "u006",
        "u007",
    ]


async def test_a_pull_goes_on_at_whichever_process_it_reaches(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=10))

    async with publishing.vendor() as one, publishing.vendor() as other:
        for n, (here, there) in enumerate(((one, other), (other, one), (one, other))):
            # Each process knows a pull of this query that is not the newest one.
            first = await here.get("/users?limit=4")
            await publishing.publish(("user", user(f"a{n}")))
            second = await there.get("/users?limit=4&offset=4")
            third = await here.get("/users?limit=4&offset=8")
            pages = (first, second, third)
            assert {page.headers["x-roster-revision"] for page in pages} == {str(1 + n)}
            assert {page.headers["x-total-count"] for page in pages} == {str(10 + n)}
            rows = [row["sourcedId"] for page in pages for row in page.json()["users"]]
            assert len(set(rows)) == len(rows) == min(10 + n, 12)


async def test_a_pinned_page_leaves_an_open_pull_as_it_is(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=10))
    await publishing.publish(("user", user("new")))

    async with publishing.vendor() as http:
        await http.get("/users?limit=4")
        old = await http.get("/users?limit=4", headers={"X-Roster-Revision": "1"})
        later = await http.get("/users?limit=4&offset=4")

    assert (old.headers["x-roster-revision"], old.headers["x-total-count"]) == ("1", "10")
    assert (later.headers["x-roster-revision"], later.headers["x-total-count"]) == ("2", "11")


async def test_a_pull_that_is_too_old_opens_anew(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=10))
    async with publishing.vendor() as http:
        await http.get("/users?limit=4")
    await publishing.publish(("user", user("u000x")))

    publishing.clock.advance(3600 + 60)
    async with publishing.vendor() as http:
        late = await http.get("/users?limit=4&offset=4")

    assert late.headers["x-roster-revision"] == "2"
    assert late.headers["x-total-count"] == "11"


@pytest.mark.parametrize("offset", [0, 3, 4, 9, 10, 500])
async def test_a_jump_lands_where_paging_would(publishing: Publishing, offset: int) -> None:
    await publishing.publish(*school_world(users=10))

    async with publishing.vendor() as http:
        answer = await http.get(f"/users?limit=4&offset={offset}")

    everybody = [f"u{n:03d}" for n in range(10)]
    assert [row["sourcedId"] for row in answer.json()["users"]] == everybody[offset : offset + 4]
    assert answer.headers["x-total-count"] == "10"
