"""Holds what a vendor reads against the rows of an oracle. Ids are those of tests: `Sa`, `U1`, …"""

import re
from typing import Any

import httpx2

from tests.support.official_oneroster import check_collection, check_error, check_single
from tests.support.publishing import BASE
from tests.support.view_oracle import Key, Row

IDS = re.compile(r"\b(?:S[abc]|U\d|K[abc]|C[ab]|E\d)\b")


async def holds_all(
    http: httpx2.AsyncClient, rows: dict[Key, Row], *, revision: int | None = None
) -> None:
    """Every collection, page by page, is what the oracle says, and is counted so."""
    headers = {} if revision is None else {"X-Roster-Revision": str(revision)}
    visible = {row["sourcedId"] for row in rows.values()}
    for path, wanted in by_collection(rows).items():
        answer = await http.get(f"/{path}?limit=3", headers=headers)
        found = rows_of(answer, visible)
        while "next" in answer.links:
            answer = await http.get(answer.links["next"]["url"], headers=headers)
            found += rows_of(answer, visible)
        assert found == wanted, path
        assert answer.headers["x-total-count"] == str(len(wanted))


async def holds_singles(
    http: httpx2.AsyncClient, rows: dict[Key, Row], records: dict[Key, Row]
) -> None:
    """Every object by itself is what the oracle says; what is out of sight is not there."""
    for entity, sourced_id in records:
        path = {"class": "classes", "demographics": "demographics"}.get(entity, f"{entity}s")
        answer = await http.get(f"/{path}/{sourced_id}")
        wanted = rows.get((entity, sourced_id))
        if wanted is None:
            assert answer.status_code == 404
            check_error(answer.json())
            assert sourced_id not in answer.text
        else:
            check_single(answer.json())
            (body,) = answer.json().values()
            assert comparable(body) == comparable(wanted)


def by_collection(rows: dict[Key, Row]) -> dict[str, list[Row]]:
    """The twelve collections but those of sessions, which are the same for everybody."""
    of: dict[str, list[Row]] = {
        entity: [comparable(row) for (kind, _), row in sorted(rows.items()) if kind == entity]
        for entity in ("org", "course", "class", "user", "enrollment", "demographics")
    }
    held = {
        kind: [row for row in of["user"] if kind in {r["role"] for r in row["roles"]}]
        for kind in ("student", "teacher")
    }
    return {
        "orgs": of["org"],
        "schools": of["org"],
        "courses": of["course"],
        "classes": of["class"],
        "users": of["user"],
        "students": held["student"],
        "teachers": held["teacher"],
        "enrollments": of["enrollment"],
        "demographics": of["demographics"],
    }


def rows_of(answer: httpx2.Response, visible: set[str]) -> list[Row]:
    """The rows of an answer that names nobody out of sight, in its body or its headers."""
    assert answer.status_code == 200
    check_collection(answer.json())
    asked = set(IDS.findall(str(answer.request.url)))
    named = set(IDS.findall(answer.text + str(answer.headers)))
    assert named - asked <= visible
    assert set(IDS.findall(answer.text)) <= visible
    (rows,) = answer.json().values()
    return [comparable(row) for row in rows]


def comparable(row: Row) -> Row:
    """Without `href`s and empty lists; booleans as the specification writes them."""
    return {name: _bare(value) for name, value in row.items() if value not in ([], None)}


def _bare(value: Any) -> Any:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            assert str(value.get("href", BASE)).startswith(BASE)
            return {k: _bare(v) for k, v in value.items() if k != "href"}
        case list():
            return [_bare(one) for one in value]
        case _:
            return value
