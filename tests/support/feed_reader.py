"""A vendor that keeps a copy by its change feed, knowing only what the README says of it."""

from dataclasses import dataclass, field
from typing import Any

import httpx2

ORDER = ("orgs", "academicSessions", "courses", "classes", "users", "demographics", "enrollments")
Told = dict[str, Any]


@dataclass
class FeedReader:
    """`rows` are by collection and id; `told` is everything ever read, in order."""

    http: httpx2.AsyncClient
    cursor: str | None = None
    rows: dict[str, dict[str, Any]] = field(default_factory=lambda: {path: {} for path in ORDER})
    merged: dict[str, str] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    async def page(self, *, limit: int) -> bool:
        """Take one page; whether there is more."""
        query = {"limit": str(limit)} | ({"after": self.cursor} if self.cursor else {})
        answer = await self.http.get("/changes", params=query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body.keys() == {"changes", "next", "hasMore"}
        assert len(body["changes"]) <= limit
        _assert_ordered(body["changes"])
        for one in body["changes"]:
            self.take(one)
        self.cursor = body["next"]
        return bool(body["hasMore"])

    async def poll(self, *, limit: int = 1_000) -> list[Told]:
        """Read on to the end; what was told on the way."""
        before = len(self.told)
        while await self.page(limit=limit):
            pass
        return self.told[before:]

    def take(self, one: Told) -> None:
        """Do what a change says."""
        self.told.append(one)
        if one["type"] == "grant.changed":
            assert one == {"type": "grant.changed"}
            self.rows, self.merged = {path: {} for path in ORDER}, {}
            return
        path, _, what = one["type"].partition(".")
        data = one["data"]
        assert one["sourcedId"] == data["sourcedId"]
        assert (data["status"] == "active") == (what == "upserted")
        assert ("mergedInto" in one) == (what == "merged")
        assert ("into" in one) == (what == "merged")
        self.rows[path][one["sourcedId"]] = data
        if what == "merged":
            # What stands for the ended id may not have been told yet.
            assert one["into"]["sourcedId"] == one["mergedInto"]
            self.rows[path][one["mergedInto"]] = one["into"]
        if path == "users":
            self.merged.pop(one["sourcedId"], None)
            if what == "merged":
                self.merged[one["sourcedId"]] = one["mergedInto"]


async def full_pull(http: httpx2.AsyncClient, *, paths: tuple[str, ...] = ORDER) -> dict[str, Any]:
    """Every collection as it stands, by id."""
    rows: dict[str, Any] = {path: {} for path in ORDER}
    for path in paths:
        url: str | None = f"{path}?limit=3"
        while url:
            answer = await http.get(url)
            (found,) = answer.json().values()
            rows[path] |= {row["sourcedId"]: row for row in found}
            url = answer.links.get("next", {}).get("url")
    return rows


def kinds(told: list[Told]) -> list[tuple[str, str]]:
    """(type, id) of each."""
    return [(one["type"], one.get("sourcedId", "")) for one in told]


def _assert_ordered(changes: list[Told]) -> None:
    """One order: stamp, then collections as they are published, then the id."""
    places = [
        (
            one["data"]["dateLastModified"],
            ORDER.index(one["type"].partition(".")[0]),
            one["sourcedId"],
        )
        for one in changes
        if "data" in one
    ]
    assert places == sorted(set(places))
