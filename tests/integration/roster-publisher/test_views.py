"""What a grant of schools is served, held against a brute-force oracle (blueprint, invariant 7)."""

import copy
import itertools
import re
from typing import Any

import httpx2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.official_oneroster import check_collection, check_error, check_single
from tests.support.oneroster_records import (
    class_,
    course,
    demographics,
    enrollment,
    org,
    ref,
    role,
    session,
    user,
)
from tests.support.publishing import BASE, Publishing
from tests.support.view_oracle import Key, Row, ViewOracle

DISTRICTS = itertools.count(1)
SCHOOLS = ("Sa", "Sb", "Sc")
USERS = tuple(f"U{n}" for n in range(4))
CLASSES = ("Ka", "Kb")
COURSES = ("Ca", "Cb")
ENROLLMENTS = tuple(f"E{n}" for n in range(4))
IDS = re.compile(r"\b(?:S[abc]|U\d|K[ab]|C[ab]|E\d)\b")

START: list[tuple[str, Row]] = [
    *(("org", org(school)) for school in SCHOOLS),
    ("academicSession", session("T1")),
    *(("course", course(one)) for one in COURSES),
    *(
        ("class", class_(one, course="Ca", school=school, term="T1"))
        for one, school in zip(CLASSES, SCHOOLS, strict=False)
    ),
    *(("user", user(who, role(SCHOOLS[n % 3]))) for n, who in enumerate(USERS)),
    *(
        ("enrollment", enrollment(one, user=USERS[n], class_id="Ka", school="Sa"))
        for n, one in enumerate(ENROLLMENTS)
    ),
    ("demographics", demographics("U0")),
]
SCHOOL = st.sampled_from(SCHOOLS)
ROLES = st.lists(st.tuples(SCHOOL, st.sampled_from(["student", "teacher"])), min_size=1, max_size=2)
CHANGE = st.one_of(
    st.tuples(
        st.just("user"),
        st.sampled_from(USERS),
        st.builds(
            lambda roles, agents, name: (roles, agents, name),
            ROLES,
            st.lists(st.sampled_from(USERS), max_size=1),
            st.sampled_from(["Ada", "Bob"]),
        ),
    ),
    st.tuples(
        st.just("class"), st.sampled_from(CLASSES), st.tuples(SCHOOL, st.sampled_from(COURSES))
    ),
    st.tuples(st.just("course"), st.sampled_from(COURSES), SCHOOL),
    st.tuples(
        st.just("enrollment"),
        st.sampled_from(ENROLLMENTS),
        st.tuples(st.sampled_from(USERS), st.sampled_from(CLASSES), SCHOOL),
    ),
    st.tuples(st.just("demographics"), st.sampled_from(USERS), st.just(None)),
    st.tuples(
        st.just("delete"),
        st.sampled_from([*(("user", u) for u in USERS), *(("enrollment", e) for e in ENROLLMENTS)]),
        st.just(None),
    ),
)
COMMITS = st.lists(st.lists(CHANGE, min_size=1, max_size=3), min_size=2, max_size=7)
GRANTS = st.sampled_from([("Sa",), ("Sb",), ("Sa", "Sb"), ("Sb", "Sc")])


def _fact(change: tuple[Any, Any, Any]) -> tuple[Key, Row | None]:
    kind, which, how = change
    match kind:
        case "delete":
            return which, None
        case "user":
            roles, agents, name = how
            more: Row = {"agents": [ref("user", a) for a in agents]} if agents else {}
            held = [role(school, kind=kind) for school, kind in roles]
            return ("user", which), user(which, *held, givenName=name, email="a@b.c", **more)
        case "class":
            return ("class", which), class_(which, school=how[0], course=how[1], term="T1")
        case "course":
            return ("course", which), course(which, org=ref("org", how))
        case "demographics":
            return ("demographics", which), demographics(which, sex="female")
        case _:
            person, class_id, school = how
            body = enrollment(which, user=person, class_id=class_id, school=school)
            return ("enrollment", which), body


class District:
    """The publisher and its oracles, one per grant, fed with the same commits."""

    def __init__(self, publishing: Publishing, name: str, grants: list[tuple[str, ...]]) -> None:
        self.publishing = publishing
        self.name = name
        self.records: dict[Key, Row] = {}
        self.oracles = {grant: ViewOracle(schools=frozenset(grant)) for grant in grants}
        self.at: dict[int, dict[tuple[str, ...], dict[Key, Row]]] = {}
        self.stamps: list[str] = []

    async def commit(self, facts: dict[Key, Row | None]) -> None:
        """One batch; the oracles are told what changed and nothing else."""
        wanted = {
            key: (dict(record), "active")
            if record is not None
            else (_plain(self.records[key]), "tobedeleted")
            for key, record in facts.items()
            if record is not None or key in self.records
        }
        changed = {
            key: one
            for key, one in wanted.items()
            if key not in self.records
            or (_plain(self.records[key]), self.records[key]["_status"]) != one
        }
        applied = await self.publishing.publish(
            *(
                (key[0], key[1] if facts[key] is None else record)
                for key, (record, _) in wanted.items()
            ),
            district=self.name,
        )
        assert (applied.revision is None) == (not changed)
        if applied.revision is None:
            return
        stamp = f"{self.publishing.clock.now():%Y-%m-%dT%H:%M:%S}.000Z"
        self.stamps.append(stamp)
        for key, (record, status) in changed.items():
            marks = {"_status": status, "_stamp": stamp, "_revision": applied.revision}
            self.records[key] = record | marks
        for oracle in self.oracles.values():
            oracle.commit(applied.revision, stamp, changed, self.records)
        self.at[applied.revision] = {
            grant: copy.deepcopy(oracle.rows) for grant, oracle in self.oracles.items()
        }


def _plain(record: Row) -> Row:
    return {k: v for k, v in record.items() if not k.startswith("_")}


# U0 gains a second school, with an enrolment there, loses the first, and leaves both.
SECOND_SCHOOL = [
    [("user", "U0", ([("Sa", "student"), ("Sb", "student")], ["U3"], "Ada"))],
    [("enrollment", "E1", ("U0", "Kb", "Sb"))],
    [("user", "U0", ([("Sb", "student")], ["U3"], "Ada"))],
    [("user", "U0", ([("Sc", "student")], [], "Bob"))],
]


@example(grant=("Sa",), commits=SECOND_SCHOOL)
@example(grant=("Sb",), commits=SECOND_SCHOOL)
@example(grant=("Sa", "Sb"), commits=SECOND_SCHOOL)
@given(grant=GRANTS, commits=COMMITS)
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_a_grant_is_served_what_the_oracle_says(
    publishing: Publishing, grant: tuple[str, ...], commits: list[list[tuple[Any, Any, Any]]]
) -> None:
    name = f"d{next(DISTRICTS)}"
    district = District(publishing, name, [grant])
    await district.commit({(kind, record["sourcedId"]): record for kind, record in START})
    for changes in commits:
        await district.commit(dict(_fact(change) for change in changes))

    async with publishing.vendor(f"v-{name}", district=name, schools=grant) as http:
        newest = max(district.at)
        for revision in {newest, max(1, newest - 1), max(1, newest // 2)}:
            await _holds_all(http, district.at[revision][grant], revision=revision)
        rows = district.oracles[grant].rows
        await _holds_all(http, rows)
        await _holds_singles(http, rows, district.records)
        await _holds_filters(http, rows, district.stamps)


async def _holds_all(
    http: httpx2.AsyncClient, rows: dict[Key, Row], *, revision: int | None = None
) -> None:
    headers = {} if revision is None else {"X-Roster-Revision": str(revision)}
    visible = {row["sourcedId"] for row in rows.values()}
    for path, wanted in _collections(rows).items():
        answer = await http.get(f"/{path}?limit=3", headers=headers)
        found = _rows(answer, visible)
        while "next" in answer.links:
            answer = await http.get(answer.links["next"]["url"], headers=headers)
            found += _rows(answer, visible)
        assert found == wanted, path
        assert answer.headers["x-total-count"] == str(len(wanted))


async def _holds_singles(
    http: httpx2.AsyncClient, rows: dict[Key, Row], records: dict[Key, Row]
) -> None:
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
            assert _comparable(body) == _comparable(wanted)


async def _holds_filters(http: httpx2.AsyncClient, rows: dict[Key, Row], stamps: list[str]) -> None:
    visible = {row["sourcedId"] for row in rows.values()}
    collections = _collections(rows)
    for path in ("users", "classes", "enrollments", "courses", "demographics", "students"):
        for stamp in (stamps[0], stamps[-2], stamps[-1]) if len(stamps) > 1 else stamps:
            for sign, keeps in ((">", str.__gt__), ("<=", str.__le__)):
                text = f"dateLastModified{sign}'{stamp}'"
                answer = await http.get(f"/{path}", params={"filter": text})
                wanted = [r for r in collections[path] if keeps(r["dateLastModified"], stamp)]
                assert _rows(answer, visible) == wanted, (path, text)
        answer = await http.get(f"/{path}", params={"filter": "status='active'"})
        assert _rows(answer, visible) == [
            row for row in collections[path] if row["status"] == "active"
        ]
    for school in SCHOOLS:
        for path, text, keeps_school in (
            ("users", f"roles.org.sourcedId='{school}'", lambda r: [o["org"] for o in r["roles"]]),
            ("courses", f"org.sourcedId='{school}'", lambda r: [r["org"]] if "org" in r else []),
            ("enrollments", f"school.sourcedId='{school}'", lambda r: [r["school"]]),
        ):
            answer = await http.get(f"/{path}", params={"filter": text})
            wanted = [
                row
                for row in collections[path]
                if school in {one["sourcedId"] for one in keeps_school(row)}
            ]
            assert _rows(answer, visible) == wanted, text
    answer = await http.get("/users", params={"filter": "role='teacher'"})
    assert _rows(answer, visible) == collections["teachers"]


def _collections(rows: dict[Key, Row]) -> dict[str, list[Row]]:
    """The twelve collections but those of sessions, which are the same for everybody."""
    of: dict[str, list[Row]] = {
        entity: [_comparable(row) for (kind, _), row in sorted(rows.items()) if kind == entity]
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


def _rows(answer: httpx2.Response, visible: set[str]) -> list[Row]:
    """The rows of an answer that names nobody out of sight, in its body or its headers."""
    assert answer.status_code == 200
    check_collection(answer.json())
    asked = set(IDS.findall(str(answer.request.url)))
    named = set(IDS.findall(answer.text + str(answer.headers)))
    assert named - asked <= visible
    assert set(IDS.findall(answer.text)) <= visible
    (rows,) = answer.json().values()
    return [_comparable(row) for row in rows]


def _comparable(row: Row) -> Row:
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
