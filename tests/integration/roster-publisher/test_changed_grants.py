"""A grant that shows something else is told whole to who asks by a watermark (invariant 6, ADR 24).

Nothing is older to its vendor than the change, and what is published afterwards is newer.
"""

from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from roster_publisher.domain.rules import Rule
from tests.support.official_oneroster import check_collection
from tests.support.oneroster_records import demographics, enrollment, org, role, school_world, user
from tests.support.publishing import Publishing

WORLD: list[tuple[str, Any]] = [
    *school_world(users=2),
    ("org", org("s2")),
    ("user", user("amy", role("s2"), grades=["05"], email="amy@example.org")),
    ("user", user("ben", role("s2"), grades=["06"])),
    ("enrollment", enrollment("e1", user="u000")),
    ("demographics", demographics("amy")),
]
PATHS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics")
FIFTH = Rule(grades=("05",))
# What a grant shows, and what it shows instead.
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"schools": ("s1",)}, {"schools": ("s1", "s2")}),
    ({"schools": ("s1",)}, {}),
    ({"schools": ("s1", "s2")}, {"schools": ("s1",)}),
    ({"schools": ("s1",)}, {"schools": ("s1",), "rules": (FIFTH,)}),
    ({"rules": (FIFTH,)}, {}),
    ({}, {"rules": (FIFTH,)}),
    ({"fields": frozenset({"names"})}, {}),
    ({"schools": ("s2",)}, {"schools": ("s2",), "fields": frozenset()}),
]


@dataclass
class Copy:
    """What a vendor holds, and since when it asks."""

    rows: dict[str, dict[str, Any]] = field(default_factory=lambda: {path: {} for path in PATHS})
    seen: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PATHS, "2000-01-01"))

    async def poll(self, http: httpx2.AsyncClient) -> dict[str, list[str]]:
        """Ask for what is behind the watermarks; ids by collection."""
        came: dict[str, list[str]] = {}
        for path in PATHS:
            rows = await _pull(http, f"/{path}?limit=2", f"dateLastModified>'{self.seen[path]}'")
            came[path] = [row["sourcedId"] for row in rows]
            for row in rows:
                self.rows[path][row["sourcedId"]] = row
                self.seen[path] = max(self.seen[path], row["dateLastModified"])
        return came


async def _pull(http: httpx2.AsyncClient, path: str, text: str = "") -> list[dict[str, Any]]:
    url: str | None = f"{path}&filter={text}" if text else path
    found: list[dict[str, Any]] = []
    while url:
        answer = await http.get(url)
        check_collection(answer.json())
        (rows,) = answer.json().values()
        found += rows
        assert int(answer.headers["x-total-count"]) >= len(found)
        url = answer.links.get("next", {}).get("url")
    return found


@pytest.mark.parametrize(("before", "after"), CHANGES)
async def test_a_changed_grant_is_told_whole_and_then_what_is_new(
    publishing: Publishing, before: dict[str, Any], after: dict[str, Any]
) -> None:
    await publishing.publish(*WORLD)
    copy = Copy()
    async with publishing.vendor(**before) as http:
        await copy.poll(http)
    async with publishing.vendor(**after) as http:
        copy.rows = {path: {} for path in PATHS}
        await copy.poll(http)
        whole = {path: await _pull(http, f"/{path}?limit=3") for path in PATHS}
        at = whole["orgs"][0]["dateLastModified"]
        delta = {path: await _pull(http, f"/{path}?", f"dateLastModified<'{at}'") for path in PATHS}
        upto = {path: await _pull(http, f"/{path}?", f"dateLastModified<='{at}'") for path in PATHS}

        assert copy.rows == {p: {r["sourcedId"]: r for r in rows} for p, rows in whole.items()}
        assert {row["dateLastModified"] for rows in whole.values() for row in rows} == {at}
        assert (delta, upto) == ({path: [] for path in PATHS}, whole)

        # A clock that stands still: what comes is later all the same.
        await publishing.apply([publishing.change("org", org("s1", name="Renamed"))])
        came = await copy.poll(http)
    shown = "s1" in {row["sourcedId"] for row in whole["orgs"]}
    assert came == {path: [] for path in PATHS} | {"orgs": ["s1"] if shown else []}
    async with publishing.vendor(**after) as http:
        assert await copy.poll(http) == {path: [] for path in PATHS}


async def test_singles_and_tombstones_are_of_the_same_moment(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("u000", role("s2"))))
    async with publishing.vendor(schools=("s1",)) as http:
        left = (await http.get("/users/u000")).json()["user"]
    publishing.clock.advance(60)
    async with publishing.vendor(schools=("s1",), fields=frozenset()) as http:
        changed = (await http.get("/users/u000")).json()["user"]
        other = (await http.get("/users/u001")).json()["user"]

    assert (left["status"], left["dateLastModified"]) == ("tobedeleted", "2026-09-01T08:00:02.000Z")
    assert changed == left | {"dateLastModified": "2026-09-01T08:01:02.000Z"}
    assert other["dateLastModified"] == changed["dateLastModified"]


async def test_what_is_no_change_of_what_is_shown_renews_nothing(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(schools=("s1", "s2")) as http:
        first = await _pull(http, "/users")
    publishing.clock.advance(60)
    later = publishing.clock.now().replace(year=2030)
    async with publishing.vendor(schools=("s2", "s1"), expires_at=later) as http:
        assert await _pull(http, "/users") == first
    rows = await publishing.rows("SELECT revision FROM roster_publisher.district_revision")
    assert rows == [{"revision": 1}]


@pytest.mark.parametrize("after", [{}, {"schools": ("s1", "s2")}])
async def test_an_order_by_stamps_is_that_of_the_stamps_shown(
    publishing: Publishing, after: dict[str, Any]
) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("user", user("amy", role("s2"), givenName="Later")))
    async with publishing.vendor(schools=("s1",)):
        pass
    async with publishing.vendor(**after) as http:
        await publishing.publish(("user", user("ben", role("s2"), givenName="Last")))
        rows = await _pull(http, "/users?limit=1&sort=dateLastModified")
        stamps = [row["dateLastModified"] for row in rows]

    assert [row["sourcedId"] for row in rows] == ["amy", "u000", "u001", "ben"]
    assert stamps == sorted(stamps)
    assert len(set(stamps[:3])) == 1
