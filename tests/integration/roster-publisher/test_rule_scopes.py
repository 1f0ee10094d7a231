"""What a grant with rules is served, held against a brute-force oracle (ADR 24, invariant 7).

A district is told commit by commit; somewhere between them the grant's rules become scopes of a
district that is already filled. A vendor with a watermark follows from there.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from roster_publisher.domain.rules import Rule
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
from tests.support.rule_oracle import Conditions, GrantOracle, RulePart, grant_oracle
from tests.support.view_checks import by_collection, holds_all, holds_singles
from tests.support.view_oracle import Key, Row
from tests.support.viewed_district import District

DISTRICTS = itertools.count(1)
SCHOOLS = ("Sa", "Sb")
USERS = tuple(f"U{n}" for n in range(4))
CLASSES = ("Ka", "Kb", "Kc")
COURSES = ("Ca", "Cb")
ENROLLMENTS = tuple(f"E{n}" for n in range(5))
GRADES = ("05", "06")
SUBJECTS = ("math", "art")
PATHS = ("orgs", "courses", "classes", "users", "enrollments", "demographics")

START: list[tuple[str, Row]] = [
    *(("org", org(school)) for school in SCHOOLS),
    ("academicSession", session("T1")),
    ("course", course("Ca", grades=["05"], subjects=["math"])),
    ("course", course("Cb")),
    ("class", class_("Ka", course="Ca", school="Sa", term="T1")),
    ("class", class_("Kb", course="Cb", school="Sb", term="T1", grades=["06"])),
    ("class", class_("Kc", course="Cb", school="Sa", term="T1", subjects=["art"])),
    ("user", user("U0", role("Sa"), grades=["05"])),
    ("user", user("U1", role("Sa"), grades=["06"], agents=[ref("user", "U0")])),
    ("user", user("U2", role("Sb"), grades=["05"])),
    ("user", user("U3", role("Sa", kind="teacher"), role("Sb", kind="teacher"))),
    ("enrollment", enrollment("E0", user="U0", class_id="Ka", school="Sa")),
    ("enrollment", enrollment("E1", user="U1", class_id="Ka", school="Sa")),
    ("enrollment", enrollment("E2", user="U2", class_id="Kb", school="Sb")),
    ("enrollment", enrollment("E3", user="U3", class_id="Kc", school="Sa")),
    ("demographics", demographics("U0")),
    ("demographics", demographics("U2")),
]


def some(values: Sequence[str]) -> st.SearchStrategy[list[str] | None]:
    """A few of the values, or nothing said."""
    return st.one_of(st.none(), st.lists(st.sampled_from(values), min_size=1, max_size=2))


SAID = st.fixed_dictionaries({"grades": some(GRADES), "subjects": some(SUBJECTS)})
ROLES = st.lists(
    st.tuples(st.sampled_from(SCHOOLS), st.sampled_from(["student", "teacher"])),
    min_size=1,
    max_size=2,
)
CHANGE = st.one_of(
    st.tuples(
        st.just("user"),
        st.sampled_from(USERS),
        st.tuples(ROLES, some(GRADES), st.lists(st.sampled_from(USERS), max_size=1)),
    ),
    st.tuples(
        st.just("class"),
        st.sampled_from(CLASSES),
        st.tuples(st.sampled_from(SCHOOLS), st.sampled_from(COURSES), SAID),
    ),
    st.tuples(st.just("course"), st.sampled_from(COURSES), SAID),
    st.tuples(
        st.just("enrollment"),
        st.sampled_from(ENROLLMENTS),
        st.tuples(st.sampled_from(USERS), st.sampled_from(CLASSES), st.sampled_from(SCHOOLS)),
    ),
    st.tuples(st.just("demographics"), st.sampled_from(USERS), st.sampled_from(["male", "female"])),
    st.tuples(
        st.just("delete"),
        st.sampled_from(
            [
                *(("user", one) for one in USERS),
                *(("enrollment", one) for one in ENROLLMENTS),
                *(("class", one) for one in CLASSES),
                ("demographics", "U0"),
            ]
        ),
        st.none(),
    ),
)
COMMITS = st.lists(st.lists(CHANGE, min_size=1, max_size=4), max_size=5)
RULE = st.fixed_dictionaries(
    {},
    optional={
        "schools": st.lists(st.sampled_from(SCHOOLS), min_size=1, max_size=2, unique=True),
        "grades": st.lists(st.sampled_from(GRADES), min_size=1, max_size=2, unique=True),
        "courses": st.lists(st.sampled_from(COURSES), min_size=1, max_size=1),
        "subjects": st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=1),
    },
).filter(bool)
ALONE: st.SearchStrategy[tuple[str, ...] | None] = st.sampled_from([None, None, ("Sa",)])

# Everybody's ways in and out: by an enrolment, by a class's own grade, by its course's, by a role.
WAYS = [
    [("enrollment", "E4", ("U1", "Kb", "Sb"))],
    [("class", "Kc", ("Sa", "Cb", {"grades": ["05"], "subjects": ["art"]}))],
    [("course", "Ca", {"grades": ["06"], "subjects": None})],
    [("user", "U0", ([("Sb", "student")], ["05"], ["U2"]))],
    [("delete", ("enrollment", "E0"), None), ("delete", ("user", "U0"), None)],
    [("course", "Ca", {"grades": ["05"], "subjects": ["math"]})],
]


def fact(change: tuple[Any, Any, Any]) -> tuple[Key, Row | None]:
    """What a change says of which record; None deletes it."""
    kind, which, how = change
    match kind:
        case "delete":
            return which, None
        case "user":
            roles, grades, agents = how
            more = _said({"grades": grades, "agents": [ref("user", a) for a in agents] or None})
            held = [role(school, kind=kind) for school, kind in roles]
            return ("user", which), user(which, *held, **more)
        case "class":
            school, of, said = how
            body = class_(which, school=school, course=of, term="T1", **_said(said))
            return ("class", which), body
        case "course":
            return ("course", which), course(which, **_said(how))
        case "demographics":
            return ("demographics", which), demographics(which, sex=how)
        case _:
            person, class_id, school = how
            body = enrollment(which, user=person, class_id=class_id, school=school)
            return ("enrollment", which), body


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


@dataclass
class Follower:
    """A vendor that asks for what is behind its watermark, one for each collection."""

    http: httpx2.AsyncClient
    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: {path: {} for path in PATHS})
    seen: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PATHS, "2000-01-01"))

    async def poll(self, wanted: dict[Key, Row]) -> None:
        """What comes is what the oracle has behind the watermark, each once."""
        for path, rows in by_collection(wanted).items():
            if path not in PATHS:
                continue
            text = f"dateLastModified>'{self.seen[path]}'"
            answer = await self.http.get(f"/{path}", params={"filter": text})
            (found,) = answer.json().values()
            new = [r for r in rows if r["dateLastModified"] > self.seen[path]]
            assert [r["sourcedId"] for r in found] == [r["sourcedId"] for r in new]
            for row in found:
                self.rows[path][row["sourcedId"]] = row
                self.seen[path] = max(self.seen[path], row["dateLastModified"])


async def _rules_begin(district: District, oracle: GrantOracle, rules: list[RulePart]) -> None:
    """The rules become scopes of a district that is there."""
    publishing = district.publishing
    publishing.clock.advance(1)
    wanted = [rule_of(part.wanted) for part in rules]
    await publishing.scopes.ensure(district.name, wanted, now=publishing.clock.now())
    row = await publishing.rows(
        "SELECT revision FROM roster_publisher.district_revision WHERE district_id = $1",
        district.name,
    )
    for part in rules:
        part.begin(district.records)
    oracle.rules = rules
    if row[0]["revision"] not in district.at:
        district.look(row[0]["revision"], set())


def rule_of(conditions: Conditions) -> Rule:
    """The product's rule of the same conditions."""
    return Rule(**{name: tuple(values) for name, values in conditions.items()})


@example(schools=None, rules=[{"grades": ["05"]}], before=[], after=WAYS)
@example(schools=None, rules=[{"courses": ["Ca"]}], before=WAYS[:3], after=WAYS[3:])
@example(schools=("Sa",), rules=[{"schools": ["Sb"], "subjects": ["math"]}], before=[], after=WAYS)
@example(schools=None, rules=[{"schools": ["Sa"]}, {"grades": ["06"]}], before=WAYS[:2], after=WAYS)
@given(
    schools=ALONE,
    rules=st.lists(RULE, min_size=1, max_size=2),
    before=COMMITS,
    after=st.lists(st.lists(CHANGE, min_size=1, max_size=4), min_size=1, max_size=6),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_a_grant_with_rules_is_served_what_the_oracle_says(
    publishing: Publishing,
    schools: tuple[str, ...] | None,
    rules: list[dict[str, list[str]]],
    before: list[list[tuple[Any, Any, Any]]],
    after: list[list[tuple[Any, Any, Any]]],
) -> None:
    name = f"d{next(DISTRICTS)}"
    oracle = grant_oracle(schools, rules)
    parts, oracle.rules = list(oracle.rules), []
    district = District(publishing, name, oracle)
    await district.commit({(kind, record["sourcedId"]): record for kind, record in START})
    for changes in before:
        await district.commit(dict(fact(change) for change in changes))
    await _rules_begin(district, oracle, parts)
    begun = max(district.at)
    grant = [rule_of(one) for one in rules]

    async with publishing.vendor(
        f"v-{name}", district=name, schools=schools, rules=tuple(grant)
    ) as http:
        follower = Follower(http)
        await follower.poll(oracle.rows)
        for changes in after:
            await district.commit(dict(fact(change) for change in changes))
            await follower.poll(oracle.rows)
        await holds_all(http, oracle.rows)
        await holds_singles(http, oracle.rows, district.records)
        for revision in {begun, (begun + max(district.at)) // 2} & district.at.keys():
            await holds_all(http, district.at[revision], revision=revision)
        for path in PATHS:
            (whole,) = (await http.get(f"/{path}")).json().values()
            assert follower.rows[path] == {row["sourcedId"]: row for row in whole}
