"""What a grant of schools is served, held against a brute-force oracle (blueprint, invariant 7)."""

import itertools
from typing import Any

import httpx2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

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
from tests.support.publishing import Publishing
from tests.support.view_checks import by_collection, holds_all, holds_singles, rows_of
from tests.support.view_oracle import Key, Row, ViewOracle
from tests.support.viewed_district import District

DISTRICTS = itertools.count(1)
SCHOOLS = ("Sa", "Sb", "Sc")
USERS = tuple(f"U{n}" for n in range(4))
CLASSES = ("Ka", "Kb")
COURSES = ("Ca", "Cb")
ENROLLMENTS = tuple(f"E{n}" for n in range(4))

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
    district = District(publishing, name, ViewOracle(schools=frozenset(grant)))
    await district.commit({(kind, record["sourcedId"]): record for kind, record in START})
    for changes in commits:
        await district.commit(dict(_fact(change) for change in changes))

    async with publishing.vendor(f"v-{name}", district=name, schools=grant) as http:
        newest = max(district.at)
        for revision in {newest, max(1, newest - 1), max(1, newest // 2)}:
            await holds_all(http, district.at[revision], revision=revision)
        rows = district.oracle.rows
        await holds_all(http, rows)
        await holds_singles(http, rows, district.records)
        await _holds_filters(http, rows, district.stamps)


async def _holds_filters(http: httpx2.AsyncClient, rows: dict[Key, Row], stamps: list[str]) -> None:
    visible = {row["sourcedId"] for row in rows.values()}
    collections = by_collection(rows)
    for path in ("users", "classes", "enrollments", "courses", "demographics", "students"):
        for stamp in (stamps[0], stamps[-2], stamps[-1]) if len(stamps) > 1 else stamps:
            for sign, keeps in ((">", str.__gt__), ("<=", str.__le__)):
                text = f"dateLastModified{sign}'{stamp}'"
                answer = await http.get(f"/{path}", params={"filter": text})
                wanted = [r for r in collections[path] if keeps(r["dateLastModified"], stamp)]
                assert rows_of(answer, visible) == wanted, (path, text)
        answer = await http.get(f"/{path}", params={"filter": "status='active'"})
        assert rows_of(answer, visible) == [
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
            assert rows_of(answer, visible) == wanted, text
    answer = await http.get("/users", params={"filter": "role='teacher'"})
    assert rows_of(answer, visible) == collections["teachers"]
