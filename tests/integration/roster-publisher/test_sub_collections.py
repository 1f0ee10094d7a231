"""Sub-collections over HTTP: who is in a class, what a school has, and what a vendor sees of it."""

import itertools
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from roster_publisher.domain.collections import ROSTER, ROSTER_CORE, SUB_COLLECTIONS
from roster_publisher.domain.rules import Rule
from tests.support.official_oneroster import check_collection, check_error
from tests.support.oneroster_records import (
    class_,
    course,
    enrollment,
    org,
    ref,
    role,
    session,
    user,
)
from tests.support.publishing import BASE, Publishing
from tests.support.sub_collections import RULES, Row, Seen, places, wanted

DISTRICTS = itertools.count(1)
CORE = {
    "orgs": "org",
    "academicSessions": "academicSession",
    "courses": "course",
    "classes": "class",
    "users": "user",
    "enrollments": "enrollment",
}
SCHOOLS = ("Sa", "Sb", "Sc")
USERS = ("U0", "U1", "U2", "U3")
CLASSES = ("Ka", "Kb", "Kc")
COURSES = ("Ca", "Cb")
TERMS = ("T1", "T2")
ENROLLMENTS = tuple(f"E{n}" for n in range(5))
PARENTS = {
    "schools": [*SCHOOLS, "D", "nowhere"],
    "classes": [*CLASSES, "nothing"],
    "courses": [*COURSES, "nothing"],
    "terms": [*TERMS, "G1", "nothing"],
    "users": [*USERS, "nobody"],
    "students": [*USERS, "nobody"],
    "teachers": [*USERS, "nobody"],
}
START: list[tuple[str, Row]] = [
    *(("org", org(school)) for school in SCHOOLS),
    ("org", org("D", type="district")),
    *(("academicSession", session(term)) for term in TERMS),
    ("academicSession", session("G1", type="gradingPeriod", parent=ref("academicSession", "T1"))),
    ("academicSession", session("G2", type="gradingPeriod")),
    ("academicSession", session("Y", type="schoolYear", children=[ref("academicSession", "T2")])),
    *(("course", course(one)) for one in COURSES),
    *(
        ("class", class_(one, course="Ca", school=school, term="T1"))
        for one, school in zip(CLASSES, SCHOOLS, strict=True)
    ),
    *(("user", user(who, role(SCHOOLS[n % 3]))) for n, who in enumerate(USERS)),
    *(
        ("enrollment", enrollment(one, user=USERS[n % 4], class_id="Ka", school="Sa"))
        for n, one in enumerate(ENROLLMENTS)
    ),
]
SCHOOL = st.sampled_from(SCHOOLS)
ENROLLED_AS = st.sampled_from(["student", "teacher", "proctor"])
CHANGE = st.one_of(
    st.builds(
        lambda who, held: ("user", user(who, *(role(at, kind=kind) for at, kind in held))),
        st.sampled_from(USERS),
        st.lists(
            st.tuples(SCHOOL, st.sampled_from(["student", "teacher"])), min_size=1, max_size=2
        ),
    ),
    st.builds(
        lambda one, of, at, terms: (
            "class",
            class_(one, course=of, school=at, terms=[ref("academicSession", t) for t in terms]),
        ),
        st.sampled_from(CLASSES),
        st.sampled_from(COURSES),
        SCHOOL,
        st.lists(st.sampled_from([*TERMS, "G1", "G2", "Y"]), min_size=1, max_size=2, unique=True),
    ),
    st.builds(
        lambda one, at: ("course", course(one, org=ref("org", at))),
        st.sampled_from(COURSES),
        SCHOOL,
    ),
    st.builds(
        lambda one, who, to, at, kind: (
            "enrollment",
            enrollment(one, user=who, class_id=to, school=at, role=kind),
        ),
        st.sampled_from(ENROLLMENTS),
        st.sampled_from(USERS),
        st.sampled_from(CLASSES),
        SCHOOL,
        ENROLLED_AS,
    ),
    st.builds(
        lambda one, children: (
            "academicSession",
            session(one, children=[ref("academicSession", child) for child in children]),
        ),
        st.sampled_from([*TERMS, "Y"]),
        st.lists(st.sampled_from(["G1", "G2", "T2"]), max_size=2, unique=True),
    ),
    st.tuples(st.just("enrollment"), st.sampled_from(ENROLLMENTS)),
    st.tuples(st.just("user"), st.sampled_from(USERS)),
    st.tuples(st.just("class"), st.sampled_from(CLASSES)),
)
COMMITS = st.lists(st.lists(CHANGE, min_size=1, max_size=4), min_size=1, max_size=5)
GRANTS = st.sampled_from(
    [
        {},
        {"schools": ("Sa",)},
        {"schools": ("Sa", "Sb")},
        {"schools": ("Sb", "Sc")},
        {"rules": (Rule(courses=("Ca",)),)},
        {"schools": ("Sb",), "rules": (Rule(schools=("Sa",), courses=("Ca",)),)},
    ]
)

# Somebody teaches one class and learns in another; a class moves with its people; enrolments end.
MOVES: list[list[tuple[str, Any]]] = [
    [
        ("user", user("U0", role("Sa"), role("Sb", kind="teacher"))),
        ("enrollment", enrollment("E1", user="U0", class_id="Kb", school="Sb", role="teacher")),
        ("enrollment", enrollment("E2", user="U0", class_id="Ka", school="Sa")),
    ],
    [("class", class_("Ka", course="Cb", school="Sb", term="T2")), ("enrollment", "E2")],
    [("user", user("U0", role("Sc"))), ("enrollment", "E1")],
]
# An enrolment at another school than its class: a view of the class's school has no such link.
MISPLACED: list[list[tuple[str, Any]]] = [
    [
        ("enrollment", enrollment("E0", user="U0", class_id="Ka", school="Sb")),
        ("enrollment", "E4"),
    ]
]

# One class is held in half of a term, another for the whole year.
PARTS: list[list[tuple[str, Any]]] = [
    [("class", class_("Ka", course="Ca", school="Sa", term="G1"))],
    [("class", class_("Kb", course="Ca", school="Sb", term="Y"))],
    [("class", class_("Kb", course="Ca", school="Sb", term="G2"))],
]


@example(grant={}, commits=MOVES)
@example(grant={"schools": ("Sa",)}, commits=MOVES)
@example(grant={"schools": ("Sa", "Sb")}, commits=MOVES)
@example(grant={"rules": (Rule(schools=("Sa",), courses=("Ca",)),)}, commits=MOVES)
@example(grant={"schools": ("Sa",)}, commits=MISPLACED)
@example(grant={}, commits=PARTS)
@example(grant={"schools": ("Sa", "Sb")}, commits=PARTS)
@given(grant=GRANTS, commits=COMMITS)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_a_sub_collection_is_what_the_core_collections_say(
    publishing: Publishing, grant: dict[str, Any], commits: list[list[tuple[str, Any]]]
) -> None:
    district = f"d{next(DISTRICTS)}"
    async with publishing.vendor(f"v-{district}", district=district, **grant) as http:
        revisions = [
            applied.revision
            for facts in (START, *commits)
            if (applied := await publishing.publish(*facts, district=district)).revision
        ]
        for revision in (None, *revisions[-2:-1]):
            headers = {} if revision is None else {"X-Roster-Revision": str(revision)}
            seen = {entity: await _rows(http, f"/{path}", headers) for path, entity in CORE.items()}
            await _holds_all(http, seen, headers)


async def _holds_all(http: httpx2.AsyncClient, seen: Seen, headers: dict[str, str]) -> None:
    for path, parents in places(PARENTS):
        place = f"/{path.format(*parents)}"
        rows = wanted(seen, path, *parents)
        if rows is None:
            answer = await http.get(place, headers=headers)
            check_error(answer.json())
            (minor,) = answer.json()["imsx_CodeMinor"]["imsx_codeMinorField"]
            assert answer.status_code == 404, place
            assert minor["imsx_codeMinorFieldValue"] == "unknownobject"
        else:
            assert await _rows(http, place, headers) == rows, place


async def _rows(http: httpx2.AsyncClient, place: str, headers: dict[str, str]) -> list[Row]:
    """All rows, by small pages along the links."""
    answer = await http.get(f"{place}?limit=2", headers=headers)
    found: list[Row] = []
    while True:
        assert answer.status_code == 200, (place, answer.text)
        check_collection(answer.json())
        (rows,) = answer.json().values()
        found += rows
        if "next" not in answer.links:
            assert answer.headers["x-total-count"] == str(len(found))
            return found
        answer = await http.get(answer.links["next"]["url"], headers=headers)


def test_the_model_knows_every_sub_collection() -> None:
    assert RULES.keys() == SUB_COLLECTIONS.keys()
    assert len(RULES) == 17


@pytest.mark.parametrize("path", sorted(SUB_COLLECTIONS))
async def test_only_the_whole_roster_scope_opens_a_sub_collection(
    publishing: Publishing, path: str
) -> None:
    await publishing.publish(*START)
    place = f"/{path.format('Sa', 'Ka') if path.startswith('schools') else path.format('Ka')}"

    async with publishing.vendor(scopes=frozenset({ROSTER_CORE})) as core:
        refused = await core.get(place)
    async with publishing.vendor("whole", scopes=frozenset({ROSTER})) as whole:
        opened = await whole.get(place)

    assert (refused.status_code, opened.status_code != 403) == (403, True)
    check_error(refused.json())


async def test_two_enrolments_in_a_class_make_one_student(publishing: Publishing) -> None:
    await publishing.publish(*START)

    async with publishing.vendor() as vendor:
        answer = await vendor.get("/classes/Ka/students")

    assert [row["sourcedId"] for row in answer.json()["users"]] == list(USERS)
    assert answer.headers["x-total-count"] == "4"


async def test_ids_in_the_path_are_read_and_linked_as_they_are_written(
    publishing: Publishing,
) -> None:
    await publishing.publish(
        *START,
        ("org", org("S/1 ü")),
        *(("class", class_(f"K{n}", course="Ca", school="S/1 ü", term="T1")) for n in range(3)),
    )

    async with publishing.vendor() as vendor:
        answer = await vendor.get("/schools/S%2F1%20%C3%BC/classes?limit=2")
        following = await vendor.get(answer.links["next"]["url"])

    assert answer.links["next"]["url"].startswith(f"{BASE}/schools/S%2F1%20%C3%BC/classes?")
    assert [r["sourcedId"] for r in answer.json()["classes"] + following.json()["classes"]] == [
        "K0",
        "K1",
        "K2",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/classes/Ka/pupils",
        "/classes//students",
        "/classes/Ka/students/U0",
        "/schools/Sa/classes/Ka",
        "/schools/Sa/classes/Ka/users",
        "/users/U0/enrollments",
        "/classes/%00/students",
    ],
)
async def test_a_path_that_the_specification_does_not_have_is_unknown(
    publishing: Publishing, path: str
) -> None:
    await publishing.publish(*START)

    async with publishing.vendor() as vendor:
        answer = await vendor.get(path)

    assert answer.status_code == 404
    check_error(answer.json())


async def test_a_pull_of_a_class_goes_on_after_the_class_and_its_people_have_moved(
    publishing: Publishing,
) -> None:
    await publishing.publish(*START)

    async with publishing.vendor(schools=("Sa",)) as vendor:
        first = await vendor.get("/schools/Sa/classes/Ka/enrollments?limit=1")
        await publishing.publish(
            ("class", class_("Ka", course="Ca", school="Sb", term="T1")),
            *(("enrollment", one) for one in ENROLLMENTS),
        )
        second = await vendor.get(first.links["next"]["url"])
        anew = await vendor.get("/schools/Sa/classes/Ka/enrollments?limit=5")
        below = await vendor.get("/schools/Sb/classes/Ka/enrollments")

    assert first.headers["x-total-count"] == second.headers["x-total-count"]
    assert second.headers["x-roster-revision"] == "1"
    assert [row["status"] for row in second.json()["enrollments"]] == ["active"]
    assert {row["status"] for row in anew.json()["enrollments"]} == {"tobedeleted"}
    assert below.status_code == 404


async def test_a_filter_narrows_a_sub_collection(publishing: Publishing) -> None:
    await publishing.publish(*START)
    mark = f"{publishing.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    await publishing.publish(
        ("user", user("U3", role("Sa"), givenName="New")),
        ("enrollment", enrollment("E0", user="U0", class_id="Ka", school="Sa", role="teacher")),
    )

    found = {}
    for name, schools in (("whole", None), ("view", ("Sa",))):
        async with publishing.vendor(name, schools=schools) as vendor:
            for path in ("/classes/Ka/students", "/schools/Sa/enrollments", "/schools/Sa/students"):
                answer = await vendor.get(path, params={"filter": f"dateLastModified>'{mark}'"})
                (rows,) = answer.json().values()
                found[name, path] = [row["sourcedId"] for row in rows]
                assert answer.headers["x-total-count"] == str(len(rows))

    assert found == {
        ("whole", "/classes/Ka/students"): ["U3"],
        ("whole", "/schools/Sa/enrollments"): ["E0"],
        ("whole", "/schools/Sa/students"): ["U3"],
        ("view", "/classes/Ka/students"): ["U3"],
        ("view", "/schools/Sa/enrollments"): ["E0"],
        ("view", "/schools/Sa/students"): ["U3"],
    }
