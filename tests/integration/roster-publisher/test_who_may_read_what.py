"""Every path with every token scope, for vendors of two districts and of parts of them.

Each id, name and number of the world begins with its owner, `d1.A.` and so on, so that anything of
another owner in an answer is seen whatever place it stands in: row, reference, address or header.
"""

import itertools
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from roster_publisher.domain.collections import (
    ALL_COLLECTIONS,
    COLLECTIONS,
    DEMOGRAPHICS,
    ROSTER,
    ROSTER_CORE,
)
from roster_publisher.domain.rules import Rule
from roster_publisher.domain.v1p1 import v1p1_scope
from roster_publisher.entrypoints.oneroster.faces import V1P1_BASE_PATH
from tests.support.official_oneroster import check_answer, check_v1p1_answer, our_document
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
from tests.support.sub_collections import Row, wanted

OWNED = re.compile(r"\bd\d\.[A-Z]+\b")
SCOPES = (ROSTER, ROSTER_CORE, DEMOGRAPHICS)
SCOPE_SETS = [frozenset(some) for n in (1, 2, 3) for some in itertools.combinations(SCOPES, n)]
CORE_PATHS = {
    "org": "orgs",
    "academicSession": "academicSessions",
    "course": "courses",
    "class": "classes",
    "user": "users",
    "enrollment": "enrollments",
    "demographics": "demographics",
}


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A vendor's grant; `owners` are those of whom it may see anything."""

    name: str
    district: str
    schools: tuple[str, ...] | None = None
    rules: tuple[Rule, ...] = ()
    owners: frozenset[str]


VENDORS = (
    Vendor(
        name="first-whole",
        district="d1",
        owners=frozenset({"d1.A", "d1.B", "d1.AB", "d1.ALL"}),
    ),
    Vendor(
        name="first-part",
        district="d1",
        schools=("d1.A.school",),
        owners=frozenset({"d1.A", "d1.AB", "d1.ALL"}),
    ),
    Vendor(
        name="second-whole",
        district="d2",
        owners=frozenset({"d2.A", "d2.B", "d2.AB", "d2.ALL"}),
    ),
    Vendor(
        name="second-part",
        district="d2",
        schools=("d2.B.school",),
        owners=frozenset({"d2.B", "d2.AB", "d2.ALL"}),
    ),
    Vendor(
        name="second-rule",
        district="d2",
        rules=(Rule(schools=("d2.A.school",), courses=("d2.A.course",)),),
        owners=frozenset({"d2.A", "d2.AB", "d2.ALL"}),
    ),
)


def world(d: str) -> list[tuple[str, Row]]:
    """Two schools, people of each and of both, everything pointing across where it can."""
    term = f"{d}.ALL.term"
    period = session(f"{d}.ALL.period", type="gradingPeriod", parent=ref("academicSession", term))
    both = [role(f"{d}.A.school"), role(f"{d}.B.school", kind="teacher", roleType="secondary")]
    return [
        ("academicSession", session(term, title=f"{d}.ALL term")),
        ("academicSession", period),
        *_school(d, "A", "B"),
        *_school(d, "B", "A"),
        ("user", user(f"{d}.AB.both", *both, primaryOrg=ref("org", f"{d}.B.school"))),
        *_enrolments(d, "A"),
        *_enrolments(d, "B"),
    ]


def _school(d: str, one: str, other: str) -> Iterator[tuple[str, Row]]:
    """A school whose parent is the other, with classes and people whose agents are there."""
    school, far = f"{d}.{one}.school", ref("org", f"{d}.{other}.school")
    yield "org", org(school, name=f"{d}.{one} name", identifier=f"{d}.{one}", parent=far)
    taught = f"{d}.{one}.course"
    yield "course", course(taught, courseCode=f"{d}.{one}", org=ref("org", school))
    for n in range(2):
        held = class_(f"{d}.{one}.class{n}", course=taught, school=school, term=f"{d}.ALL.term")
        yield "class", held
    for kind in ("student", "teacher"):
        person = user(
            f"{d}.{one}.{kind}",
            role(school, kind=kind),
            givenName=f"{d}.{one} given",
            email=f"{d}.{one}@x.test",
            agents=[ref("user", f"{d}.{other}.{kind}")],
        )
        yield "user", person
    yield "demographics", demographics(f"{d}.{one}.student", cityOfBirth=f"{d}.{one}")


def _enrolments(d: str, one: str) -> Iterator[tuple[str, Row]]:
    """In each class of the school its student, its teacher, and who is at both schools."""
    people = ((f"{one}.student", "student"), (f"{one}.teacher", "teacher"), ("AB.both", "student"))
    for (who, kind), n in itertools.product(people, range(2)):
        body = enrollment(
            f"{d}.{one}.{who.replace('.', '-')}{n}",
            user=f"{d}.{who}",
            class_id=f"{d}.{one}.class{n}",
            school=f"{d}.{one}.school",
            role=kind,
        )
        yield "enrollment", body


def owner_of(text: str) -> str:
    """`d1.A` of `d1.A.school`."""
    return ".".join(text.split(".")[:2])


@pytest.fixture
async def filled(publishing: Publishing) -> Publishing:
    """Both districts, with one tombstone each."""
    for district in ("d1", "d2"):
        await publishing.publish(*world(district), district=district)
        await publishing.publish(("enrollment", f"{district}.A.A-student1"), district=district)
    return publishing


@asynccontextmanager
async def reading(
    publishing: Publishing, vendor: Vendor, scopes: frozenset[str] = frozenset(SCOPES)
) -> AsyncIterator["Reader"]:
    """A client of the vendor that checks whatever it reads."""
    async with publishing.vendor(
        vendor.name,
        district=vendor.district,
        schools=vendor.schools,
        rules=vendor.rules,
        scopes=scopes,
    ) as http:
        yield Reader(http, vendor)


class Reader:
    """Reads as a vendor; every answer is checked for anything of others."""

    def __init__(self, http: httpx2.AsyncClient, vendor: Vendor) -> None:
        self._http = http
        self._vendor = vendor

    async def get(self, path: str, *ids: str, old: bool = False, **params: str) -> httpx2.Response:
        """An answer of the operation `path`, written as the specification writes it; that of 1.1
        if `old`.
        """
        place = re.sub(r"\{\w+\}", "{}", path).format(*(quote(one, safe="") for one in ids))
        if old:
            answer = await self._http.get(f"{V1P1_BASE_PATH}{place}", params=params)
            check_v1p1_answer(path, answer)
        else:
            answer = await self._http.get(place, params=params)
            check_answer(path, answer)
        asked = set(OWNED.findall(f"{place} {params}"))
        told = set(OWNED.findall(f"{answer.text}"))
        assert told <= self._vendor.owners, (place, params)
        assert set(OWNED.findall(str(answer.headers))) <= self._vendor.owners | asked
        for href in re.findall(r'"href":"([^"]*)"', answer.text):
            assert href.startswith(f"{BASE}/")
        return answer

    async def rows(self, path: str, *ids: str, **params: str) -> list[Row]:
        """All rows, their number as the header says."""
        answer = await self.get(path, *ids, **params)
        assert answer.status_code == 200
        (rows,) = answer.json().values()
        assert answer.headers["x-total-count"] == str(len(rows))
        return list(rows)


def operations() -> Iterator[tuple[str, str]]:
    """(path as the specification writes it, path as our collections have it); 41 of them."""
    for path in our_document()["paths"]:
        ours = re.sub(r"\{\w+\}", "{}", path).strip("/")
        yield path, ours.removesuffix("/{}")


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda one: one.name)
async def test_every_path_opens_to_its_scopes_and_shows_nothing_of_others(
    filled: Publishing, vendor: Vendor
) -> None:
    async with reading(filled, vendor) as reader:
        seen = {entity: await reader.rows(f"/{path}") for entity, path in CORE_PATHS.items()}
    ids = {ours: _ids_for(vendor.district, path) for path, ours in operations()}
    opened = 0
    for scopes in SCOPE_SETS:
        async with reading(filled, vendor, scopes) as reader:
            for path, ours in operations():
                for some in _ids_for(vendor.district, path):
                    answer = await reader.get(path, *some)
                    if not scopes & _openers(ours):
                        assert answer.status_code == 403, (path, scopes)
                        continue
                    opened += 1
                    _holds(path, ours, some, answer, seen)
    assert len(ids) == 29
    assert opened > 1_000


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda one: one.name)
async def test_1_1_opens_where_1_2_does_and_shows_the_same_records(
    filled: Publishing, vendor: Vendor
) -> None:
    opened = 0
    for scopes in (frozenset(SCOPES), *(frozenset({one}) for one in SCOPES)):
        both = scopes | {v1p1_scope(one) for one in scopes}
        async with reading(filled, vendor, both) as reader:
            for path, ours in operations():
                every = _ids_for(vendor.district, path)
                for some in every if len(scopes) > 1 else every[:1]:
                    new = await reader.get(path, *some)
                    old = await reader.get(path, *some, old=True)
                    assert old.status_code == new.status_code, (path, some)
                    assert (new.status_code == 403) != bool(scopes & _openers(ours))
                    for header in ("x-total-count", "x-roster-revision"):
                        assert old.headers.get(header) == new.headers.get(header)
                    if new.status_code == 200:
                        opened += 1
                        assert _stamps(old) == _stamps(new), (path, some)
    assert opened > 50


def _stamps(answer: httpx2.Response) -> list[tuple[str, str, str]]:
    """Id, status and stamp of what an answer holds."""
    (found,) = answer.json().values()
    rows = found if isinstance(found, list) else [found]
    return [(row["sourcedId"], row["status"], row["dateLastModified"]) for row in rows]


def _openers(ours: str) -> frozenset[str]:
    """The token scopes of which one is needed, as the reference has them: C, F or D."""
    if ours == "demographics":
        return frozenset({DEMOGRAPHICS})
    return frozenset({ROSTER}) if "{}" in ours else frozenset({ROSTER, ROSTER_CORE})


def _holds(
    path: str, ours: str, ids: Sequence[str], answer: httpx2.Response, seen: Mapping[str, list[Row]]
) -> None:
    """The answer is what the core collections say of it; what is in none of them is unknown."""
    collection = ALL_COLLECTIONS[ours]
    if collection.parents:
        rows = wanted(seen, ours, *ids)
    else:
        rows = [row for row in seen[collection.entity] if _is_kind(row, ours)]
        if ids:
            rows = [row for row in rows if row["sourcedId"] == ids[0]] or None
    if rows is None:
        assert answer.status_code == 404, (path, ids)
        return
    assert answer.status_code == 200, (path, ids)
    (found,) = answer.json().values()
    assert found == (rows[0] if ids and not collection.parents else rows), (path, ids)
    if "x-total-count" in answer.headers:
        assert answer.headers["x-total-count"] == str(len(rows))


def _is_kind(row: Row, path: str) -> bool:
    match path:
        case "students" | "teachers":
            return any(held["role"] == path.removesuffix("s") for held in row["roles"])
        case "schools" | "terms" | "gradingPeriods":
            return bool(row["type"] == path.removesuffix("s"))
        case _:
            return True


def _ids_for(district: str, path: str) -> list[tuple[str, ...]]:
    """Ids for the places of a path: of both schools, of the other district, and of nobody."""
    places = re.findall(r"\{(\w+)\}", path)
    other = "d2" if district == "d1" else "d1"
    kinds = [_last_word(path, place) for place in places]
    of = [
        [
            *(f"{district}.{o}" for o in _OBJECTS[kind]),
            *(f"{other}.{o}" for o in _OBJECTS[kind][:2]),
            "nobody",
        ]
        for kind in kinds
    ]
    return list(itertools.product(*of))


def _last_word(path: str, place: str) -> str:
    return path.partition(f"/{{{place}}}")[0].rpartition("/")[2]


_OBJECTS = {
    "orgs": ("A.school", "B.school"),
    "schools": ("A.school", "B.school"),
    "academicSessions": ("ALL.term", "ALL.period"),
    "terms": ("ALL.term", "ALL.period"),
    "gradingPeriods": ("ALL.period", "ALL.term"),
    "courses": ("A.course", "B.course"),
    "classes": ("A.class1", "B.class1"),
    "users": ("A.student", "B.teacher", "AB.both"),
    "students": ("A.student", "B.student", "AB.both"),
    "teachers": ("A.teacher", "B.teacher", "AB.both"),
    "enrollments": ("A.A-student0", "B.AB-both1", "A.A-student1"),
    "demographics": ("A.student", "B.student"),
}


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda one: one.name)
async def test_a_vendor_sees_its_own_and_all_of_it(filled: Publishing, vendor: Vendor) -> None:
    async with reading(filled, vendor) as reader:
        for entity, path in CORE_PATHS.items():
            found = {row["sourcedId"] for row in await reader.rows(f"/{path}")}
            assert found == {
                record["sourcedId"]
                for kind, record in world(vendor.district)
                if kind == entity and _may_see(vendor, kind, record)
            }


def _may_see(vendor: Vendor, kind: str, record: Row) -> bool:
    if vendor.rules and record["sourcedId"].endswith("A-student1"):
        return False  # deleted before the rule was, so it never entered
    return kind == "academicSession" or owner_of(record["sourcedId"]) in vendor.owners


# Filters that ask for what belongs to others, and so must find nothing.
ASKING: Mapping[str, Sequence[str]] = {
    "orgs": ("sourcedId='{}.school'", "parent.sourcedId='{}.school'"),
    "courses": ("org.sourcedId='{}.school'", "sourcedId~'{}.'"),
    "classes": ("school.sourcedId='{}.school'", "course.sourcedId='{}.course'"),
    "users": ("roles.org.sourcedId='{}.school'", "sourcedId>='{}' AND sourcedId~'{}.'"),
    "enrollments": (
        "school.sourcedId='{}.school'",
        "user.sourcedId='{}.student'",
        "class.sourcedId='{}.class0'",
    ),
    "demographics": ("sourcedId='{}.student'",),
}


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda one: one.name)
async def test_a_filter_finds_nothing_of_others(filled: Publishing, vendor: Vendor) -> None:
    owners = {f"{d}.{o}" for d in ("d1", "d2") for o in "AB"}
    async with reading(filled, vendor) as reader:
        for path, texts in ASKING.items():
            for owner, text in itertools.product(sorted(owners - vendor.owners), texts):
                filled_in = text.replace("{}", owner)
                assert await reader.rows(f"/{path}", filter=filled_in) == [], filled_in
                everything = await reader.rows(f"/{path}")
                turned = f"status!='x' OR {text.partition(' AND ')[0].replace('{}', owner)}"
                assert await reader.rows(f"/{path}", filter=turned) == everything, turned


async def test_the_same_ids_in_two_districts_are_two_records(publishing: Publishing) -> None:
    for district in ("d1", "d2"):
        await publishing.publish(
            ("org", org("s1", name=district)),
            ("user", user("u1", givenName=f"{district}.ALL")),
            district=district,
        )

    names: dict[str, Any] = {}
    for district in ("d1", "d2"):
        vendor = Vendor(
            name=f"of-{district}",
            district=district,
            schools=("s1",),
            owners=frozenset({f"{district}.ALL"}),
        )
        async with reading(publishing, vendor) as reader:
            single = (await reader.get("/users/{sourcedId}", "u1")).json()["user"]
            (row,) = await reader.rows("/schools/{schoolSourcedId}/students", "s1")
            names[district] = (single["givenName"], row["givenName"])

    assert names == {d: (f"{d}.ALL", f"{d}.ALL") for d in ("d1", "d2")}


def test_the_matrix_has_every_collection() -> None:
    assert {ours for _, ours in operations()} == ALL_COLLECTIONS.keys()
    assert _OBJECTS.keys() == COLLECTIONS.keys()
