"""The paging loops of vendors, written independently, over many rows while the roster changes.

Some follow Link, some add their limit until a page is short, and trust nothing else. Whatever the
limit, each ends with every row of one revision, once, as brute force over all changes says.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from roster_publisher.entrypoints.oneroster.faces import V1P1_BASE_PATH
from roster_publisher.usecases.apply_changes import Applied
from tests.support.oneroster_records import Record, enrollment, org, role, school_world, user
from tests.support.publishing import Publishing

ROWS = 51_000
BATCH = 3_000
# Small pages over the first rows only, so that the test ends within a minute.
SLICES = {1: 180, 7: 180, 100: 4_000}
LIMITS = (1_000, 5_000, 10_000, 50_000)
Person = tuple[str, str]
"""Given name and status."""


class Model:
    """What each change said, by revision: who the users were at any one is worked out anew."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, str, Person]] = []

    def note(self, revision: int, facts: list[tuple[str, Record | str]]) -> None:
        """Changes of one commit."""
        for entity, what in facts:
            if entity != "user":
                continue
            if isinstance(what, str):
                self._changes.append((revision, what, ("", "tobedeleted")))
            else:
                person = (str(what["givenName"]), "active")
                self._changes.append((revision, str(what["sourcedId"]), person))

    def at(self, revision: int) -> dict[str, Person]:
        """Everybody at a revision; a deletion leaves the name."""
        found: dict[str, Person] = {}
        for when, who, (name, status) in self._changes:
            if when <= revision:
                found[who] = (name or found[who][0], status)
        return dict(sorted(found.items()))


class Roster:
    """A district with many users, which goes on changing while it is read."""

    def __init__(self, publishing: Publishing) -> None:
        self._publishing = publishing
        self._model = Model()
        self.changes = 0

    def at(self, revision: int) -> dict[str, Person]:
        return self._model.at(revision)

    async def fill(self) -> None:
        """All rows, in batches."""
        await self._publishing.publish(*school_world(), ("org", org("s2")))
        for first in range(0, ROWS, BATCH):
            await self._commit(
                [("user", user(f"u{n:05d}")) for n in range(first, min(first + BATCH, ROWS))]
            )
        self.changes = 0

    async def change_until(self, done: asyncio.Event) -> None:
        """New people between the old, new names, deletions: a commit at every turn."""
        for turn in itertools.count():
            if done.is_set():
                return
            at = turn * 37 % ROWS
            await self._commit(
                [
                    ("user", user(f"u{at:05d}x{turn}", role("s1"), givenName=f"New{turn}")),
                    ("user", user(f"u{at:05d}", givenName=f"Turn{turn}")),
                    ("user", f"u{(at + 11) % ROWS:05d}"),
                ]
            )
            self.changes += 3

    async def _commit(self, facts: list[tuple[str, Record | str]]) -> None:
        applied = await _commit(self._publishing, *facts)
        if applied.revision is not None:
            self._model.note(applied.revision, facts)


@pytest.fixture
async def roster(publishing: Publishing) -> Roster:
    """Filled once; it is read only after that."""
    found = Roster(publishing)
    await found.fill()
    return found


@asynccontextmanager
async def changing(roster: Roster) -> AsyncIterator[None]:
    """While the block runs, the roster changes."""
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(roster.change_until(done))
        try:
            yield
        finally:
            done.set()


Pulled = tuple[list[tuple[str, Person]], set[str], set[str]]
"""Rows in the order in which they came, revisions and totals that were told."""


async def by_link(http: httpx2.AsyncClient, first: str) -> Pulled:
    """A client that knows nothing but Link."""
    seen: Pulled = ([], set(), set())
    following: str | None = first
    while following is not None:
        answer = await http.get(following)
        _take(answer, seen)
        following = answer.links.get("next", {}).get("url")
    return seen


async def by_short_page(http: httpx2.AsyncClient, first: str) -> Pulled:
    """A client that adds its limit until a page is not full."""
    limit = int(re.findall(r"limit=(\d+)", first)[0])
    seen: Pulled = ([], set(), set())
    for offset in itertools.count(0, limit):
        if _take(await http.get(f"{first}&offset={offset}"), seen) < limit:
            return seen
    raise AssertionError


def _take(answer: httpx2.Response, seen: Pulled) -> int:
    rows = answer.json()["users"]
    seen[0].extend((row["sourcedId"], (row["givenName"], row["status"])) for row in rows)
    seen[1].add(answer.headers["x-roster-revision"])
    seen[2].add(answer.headers["x-total-count"])
    return len(rows)


LOOPS = (by_link, by_short_page)


@pytest.mark.timeout(600)
async def test_every_loop_gets_every_row_once_while_the_roster_changes(
    publishing: Publishing, roster: Roster
) -> None:
    pulls: list[tuple[str, str, Pulled]] = []
    async with (
        changing(roster),
        publishing.vendor() as whole,
        publishing.vendor("part", schools=("s1",)) as part,
    ):
        for limit, loop in itertools.product((*SLICES, *LIMITS), LOOPS):
            # A view of everybody costs more to read, so it takes turns with the whole district.
            http = part if (loop is by_link) == (limit in (100, 5_000, 50_000)) else whole
            end = f"u{SLICES.get(limit, ROWS):05d}"
            first = f"/users?limit={limit}&filter=sourcedId<'{end}'"
            if end == f"u{ROWS}":
                first = f"/users?limit={limit}"
            pulls.append((f"{loop.__name__} {limit}", end, await loop(http, first)))

    assert roster.changes > 100
    for name, end, (rows, revisions, totals) in pulls:
        (revision,) = revisions
        wanted = [(who, what) for who, what in roster.at(int(revision)).items() if who < end]
        assert rows == wanted, name
        assert totals == {str(len(wanted))}, name
        assert len(rows) >= int(end.removeprefix("u"))


async def test_loops_over_a_class_get_everybody_once(publishing: Publishing) -> None:
    people = [f"u{n:03d}" for n in range(300)]
    await publishing.publish(*school_world(users=300))
    await publishing.publish(
        *(("enrollment", enrollment(f"e{n}-{who}", user=who)) for who in people for n in range(2))
    )
    found = []
    async with publishing.vendor() as http:
        for limit, loop in itertools.product((1, 7, 100, 1_000), LOOPS):
            done = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(_come_and_go(publishing, done))
                found.append(await loop(http, f"/classes/k1/students?limit={limit}"))
                done.set()

    _are_whole(found, people)


async def test_loops_of_1_1_get_everybody_once(publishing: Publishing) -> None:
    people = [f"u{n:03d}" for n in range(300)]
    await publishing.publish(*school_world(users=300))
    await publishing.publish(
        *(("enrollment", enrollment(f"e{n}-{who}", user=who)) for who in people for n in range(2))
    )
    found = []
    async with publishing.vendor() as whole, publishing.vendor("part", schools=("s1",)) as part:
        for limit, loop in itertools.product((1, 7, 100, 1_000), LOOPS):
            http = part if (loop is by_link) == (limit in (7, 1_000)) else whole
            done = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(_come_and_go(publishing, done))
                path = f"{V1P1_BASE_PATH}/classes/k1/students"
                found.append(await loop(http, f"{path}?limit={limit}&filter=role='student'"))
                done.set()

    _are_whole(found, people)


def _are_whole(found: list[Pulled], people: list[str]) -> None:
    """Each pull is of one revision, with everybody who stayed, once, and no one twice."""
    for rows, revisions, totals in found:
        assert len(revisions) == 1
        ids = [who for who, _ in rows if not who.startswith("v")]
        assert ids == people
        assert len({who for who, _ in rows}) == len(rows)
        assert totals == {str(len(rows))}


async def _come_and_go(publishing: Publishing, done: asyncio.Event) -> None:
    """Somebody else enrols and leaves, and second enrolments end."""
    for turn in itertools.count():
        if done.is_set():
            return
        await _commit(
            publishing,
            ("user", user(f"v{turn % 5}")),
            ("enrollment", enrollment(f"ev{turn % 5}", user=f"v{turn % 5}")),
            ("enrollment", f"e1-u{turn % 300:03d}"),
        )
        await _commit(publishing, ("enrollment", f"ev{turn % 5}"))


async def _commit(publishing: Publishing, *facts: tuple[str, Record | str]) -> Applied:
    """Little time passes: a token and a pull last for an hour, and writers may be far quicker."""
    publishing.clock.advance(0.02)
    return await publishing.apply([publishing.change(entity, what) for entity, what in facts])
