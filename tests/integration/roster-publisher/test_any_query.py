"""Filters and orders on any field, held against a brute-force model of ADR 0023."""

import itertools
from dataclasses import dataclass
from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_publisher.domain.rules import Rule
from tests.support.official_oneroster import check_collection
from tests.support.oneroster_records import (
    Record,
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
from tests.support.query_model import Clause, in_order, is_let_through
from tests.support.view_oracle import Row

DISTRICTS = itertools.count(1)
SCHOOLS = ("s1", "s2", "s3")
USERS = tuple(f"u{n}" for n in range(7))
DAYS = ("2026-08-01", "2026-08-02", "2027-01-15")
METADATA: tuple[Record, ...] = (
    {"bus": "7", "tags": ["x", "y"]},
    {"bus": 7, "a": {"b": "x"}},
    {"bus": 10.5, "a.b": "y", "tags": "x"},
    {"bus": True, "deep": {"list": [{"k": "1"}, {"k": "2"}]}},
    {"bus": None, "tags": []},
    {"bus": {"b": "7"}, "Home Room": "Ü"},
)
# What each collection may be asked about, and the group of fields that opens it.
FIELDS: dict[str, dict[str, str]] = {
    "orgs": dict.fromkeys(
        ("sourcedId", "status", "dateLastModified", "name", "type", "identifier"), ""
    )
    | dict.fromkeys(("parent.sourcedId", "parent.type", "children.sourcedId"), ""),
    "academicSessions": dict.fromkeys(
        ("title", "startDate", "endDate", "type", "schoolYear", "parent.sourcedId"), ""
    ),
    "courses": dict.fromkeys(
        ("title", "courseCode", "grades", "subjects", "org.sourcedId", "schoolYear.sourcedId"), ""
    ),
    "classes": dict.fromkeys(
        ("title", "classCode", "classType", "location", "grades", "periods", "school.type"), ""
    )
    | dict.fromkeys(("course.sourcedId", "school.sourcedId", "terms.sourcedId"), ""),
    "users": dict.fromkeys(
        ("sourcedId", "status", "dateLastModified", "enabledUser", "grades", "role"), ""
    )
    | dict.fromkeys(("roles.role", "roles.roleType", "roles.beginDate", "roles.org.sourcedId"), "")
    | dict.fromkeys(("agents.sourcedId", "agents.type", "primaryOrg.sourcedId"), "")
    | dict.fromkeys(("givenName", "familyName", "middleName", "pronouns"), "names")
    | dict.fromkeys(("email", "phone"), "contact")
    | dict.fromkeys(("username", "userIds.type", "userIds.identifier"), "identifiers")
    | dict.fromkeys(("metadata.bus", "metadata.tags", "metadata.a.b"), "metadata")
    | dict.fromkeys(("metadata.deep.list.k", "metadata.Home Room", "metadata.none"), "metadata"),
    "enrollments": dict.fromkeys(
        ("role", "primary", "beginDate", "endDate", "user.sourcedId", "class.sourcedId"), ""
    )
    | dict.fromkeys(("school.sourcedId", "user.type"), ""),
    "demographics": dict.fromkeys(("sourcedId", "dateLastModified"), "")
    | dict.fromkeys(("birthDate", "sex", "cityOfBirth"), "birth")
    | {"asian": "ethnicity"},
}
GROUPS = ("names", "contact", "identifiers", "birth", "ethnicity", "metadata")
WORDS = (
    *("", "a", "Ada", "ada", "Bo", "bob", "Ü", "ü", "o'hara", "%", "_", "\\", "\u2603", '"', "'"),
    *("7", "7.0", "07", "10.5", "-1", "true", "false", "x", "y", "2", "05", "05,06", "x,y", ","),
    *(*SCHOOLS, *USERS[:3], "ka", "ca", "t1", "t2", "active", "tobedeleted", "student", "primary"),
    *("teach", "STUDENT", "org", "home", "ALG", "2027", "2026-08-01", "').jsonb; --", "$.a", "9" * 40),
)  # fmt: skip
WHEN = (
    *("2026-08-01", "20260802", "2026-08-02T23:30:00-05:00", "2027-01-15T00:00Z", "1999-01-01"),
    *("2026-08-01T10:00:00.123456789", "2026-09-01T08:00:02Z", "2026-09-01T10:00:03+02:00"),
    "2026-09-01T08:00:04.000",
)
PREDICATES = ("=", "=", "!=", ">", ">=", "<", "<=", "~")
TEXT = st.sampled_from(["Ada", "ada", "Bob", "Ünal", "ünal", "o'hara", "a_b", "50%", "\u2603", ""])


def _is_date(name: str) -> bool:
    return name == "dateLastModified" or name.endswith(("beginDate", "endDate", "startDate", "birthDate"))  # fmt: skip


@dataclass(frozen=True)
class Query:
    """What a vendor asks of one collection."""

    path: str
    clauses: tuple[Clause, ...]
    any_of: bool
    sort: str | None
    order_by: str | None
    limit: int

    @property
    def params(self) -> dict[str, str]:
        told = [f"{name}{sign}'{value.replace(chr(39), chr(39) * 2)}'" for name, sign, value in self.clauses]  # fmt: skip
        asked = {"filter": (" OR " if self.any_of else " AND ").join(told)} if told else {}
        asked |= {} if self.sort is None else {"sort": self.sort}
        asked |= {} if self.order_by is None else {"orderBy": self.order_by}
        return asked | {"limit": str(self.limit)}

    def of(self, rows: list[Row]) -> list[Row]:
        """What the model says of the unfiltered rows."""
        alias = {"role": "roles.role"} if self.path == "users" else {}
        clauses = [(alias.get(name, name), sign, value) for name, sign, value in self.clauses]
        kept = [row for row in rows if not clauses or is_let_through(row, clauses, any_of=self.any_of)]  # fmt: skip
        sort = alias.get(self.sort, self.sort) if self.sort else None
        return in_order(kept, sort, descending=self.order_by == "desc")


@st.composite
def queries(draw: st.DrawFn) -> Query:
    path = draw(st.sampled_from(sorted(FIELDS)))
    names = st.sampled_from(sorted(FIELDS[path]))
    clauses = []
    for _ in range(draw(st.integers(0, 3))):
        name, sign = draw(names), draw(st.sampled_from(PREDICATES))
        wanted = WHEN if _is_date(name) and sign != "~" else WORDS
        clauses.append((name, sign, draw(st.sampled_from(wanted))))
    sort = draw(st.none() | names)
    return Query(
        path=path,
        clauses=tuple(clauses),
        any_of=draw(st.booleans()),
        sort=sort,
        order_by=draw(st.sampled_from([None, "asc", "desc"])) if sort else None,
        limit=draw(st.sampled_from([1, 2, 3, 100])),
    )


@st.composite
def people(draw: st.DrawFn) -> Record:
    held = draw(
        st.lists(
            st.tuples(st.sampled_from(SCHOOLS), st.sampled_from(["student", "teacher", "ext:x"])),
            min_size=1,
            max_size=3,
        )
    )
    days = st.sampled_from(DAYS)
    more: Record = {
        name: draw(values)
        for name, values in {
            "middleName": TEXT,
            "email": TEXT,
            "username": TEXT,
            "grades": st.lists(st.sampled_from(["05", "06", "K"]), max_size=2),
            "userIds": st.just([{"type": "sis", "identifier": "7"}, {"type": "x", "identifier": "a"}]),
            "primaryOrg": st.sampled_from(SCHOOLS).map(lambda s: ref("org", s)),
            "agents": st.lists(st.sampled_from([*USERS, "nobody"]), max_size=2).map(
                lambda ids: [ref("user", one) for one in ids]
            ),
            "metadata": st.sampled_from(METADATA),
        }.items()
        if draw(st.booleans())
    }  # fmt: skip
    roles = [
        role(school, kind=kind, **({"beginDate": draw(days)} if draw(st.booleans()) else {}))
        for school, kind in held
    ]
    enabled = draw(st.booleans())
    name = {"givenName": draw(TEXT), "familyName": draw(TEXT), "enabledUser": enabled}
    return user(draw(st.sampled_from(USERS)), *roles, **name, **more)


PERSON = people().map(lambda record: ("user", record))
OTHER = st.one_of(
    st.builds(
        lambda who, at, school, day, primary: (
            "enrollment",
            enrollment(f"e-{who}-{at}", user=who, class_id=at, school=school, beginDate=day, primary=primary),
        ),
        st.sampled_from(USERS), st.sampled_from(["ka", "kb"]), st.sampled_from(SCHOOLS),
        st.sampled_from(DAYS), st.booleans(),
    ),
    st.builds(
        lambda who, day, city: ("demographics", demographics(who, birthDate=day, cityOfBirth=city, asian=True)),
        st.sampled_from(USERS), st.sampled_from(DAYS), TEXT,
    ),
    st.builds(
        lambda one, school, title, terms: (
            "class",
            class_(one, course="ca", school=school, title=title, classType="homeroom", periods=["1", "2"])
            | {"terms": [ref("academicSession", term) for term in terms]},
        ),
        st.sampled_from(["ka", "kb"]), st.sampled_from(SCHOOLS), TEXT,
        st.sampled_from([["t1"], ["t1", "t2"], ["t2", "t9"]]),
    ),
    st.builds(
        lambda one, at, subjects: ("course", course(one, org=ref("org", at), subjects=subjects)),
        st.sampled_from(["ca", "cb"]), st.sampled_from([*SCHOOLS, "s9"]), st.lists(TEXT, max_size=2),
    ),
    st.builds(
        lambda one, at: ("org", org(one, parent=ref("org", at), children=[ref("org", "s2"), ref("org", "s3")])),
        st.sampled_from(SCHOOLS), st.sampled_from(["s1", "s9"]),
    ),
    st.sampled_from(USERS).map(lambda who: ("user", who)),
)  # fmt: skip
COMMITS = st.lists(st.lists(PERSON | OTHER, min_size=1, max_size=4), min_size=1, max_size=4)
Scopes = tuple[tuple[str, ...] | None, tuple[Rule, ...]]
GRANTS: st.SearchStrategy[Scopes] = st.sampled_from(
    [
        (None, ()),
        (None, ()),
        (("s1",), ()),
        (("s1", "s2"), ()),
        (("s2", "s3"), ()),
        (None, (Rule(grades=("05",)),)),
        (("s3",), (Rule(schools=("s1", "s2"), subjects=("Ada",)),)),
    ]
)
FIELD_GROUPS = st.none() | st.sets(st.sampled_from(GROUPS)).map(frozenset)

START: list[tuple[str, Any]] = [
    *(("org", org(school)) for school in SCHOOLS),
    ("academicSession", session("t1")),
    ("academicSession", session("t2", startDate="2027-01-16", parent=ref("academicSession", "t1"))),
    ("course", course("ca")),
    ("course", course("cb", grades=["05"], schoolYear=ref("academicSession", "t2"))),
    ("class", class_("ka", course="ca")),
    ("class", class_("kb", course="cb", school="s2", classType="scheduled", location="x")),
    *(("user", user(who, role(SCHOOLS[n % 3]))) for n, who in enumerate(USERS)),
    ("enrollment", enrollment("e1", user="u0", class_id="ka")),
]


@given(
    commits=COMMITS,
    grant=GRANTS,
    groups=FIELD_GROUPS,
    asked=st.lists(queries(), min_size=4, max_size=8),
    back=st.integers(0, 2),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
async def test_any_query_gives_what_the_model_gives(
    publishing: Publishing,
    commits: list[list[tuple[str, Any]]],
    grant: Scopes,
    groups: frozenset[str] | None,
    asked: list[Query],
    back: int,
) -> None:
    name = f"d{next(DISTRICTS)}"
    newest = (await publishing.publish(*START, district=name)).revision or 0
    schools, rules = grant
    async with publishing.vendor(
        f"v-{name}", district=name, schools=schools, rules=rules, fields=groups
    ) as http:
        for facts in commits:
            newest = (await publishing.publish(*facts, district=name)).revision or newest
        pinned = {} if back == 0 else {"X-Roster-Revision": str(max(1, newest - back))}
        for query in asked:
            opened = FIELDS[query.path]
            refused = [
                clause[0]
                for clause in query.clauses
                if groups is not None and opened[clause[0]] not in {"", *groups}
            ]
            if refused:
                answer = await http.get(f"/{query.path}", params=query.params, headers=pinned)
                assert answer.status_code == 400
                assert "invalid_filter_field" in answer.text
                continue
            everything = (await http.get(f"/{query.path}", headers=pinned)).json()[query.path]
            withheld = query.sort and groups is not None and opened[query.sort] not in {"", *groups}
            wanted = query.of(everything)
            if withheld:
                wanted = sorted(wanted, key=lambda row: row["sourcedId"])
            assert await _paged(http, query, pinned, total=len(wanted)) == wanted, query


async def _paged(
    http: httpx2.AsyncClient, query: Query, headers: dict[str, str], *, total: int
) -> list[Row]:
    """Every page by its link; the total is the same on each."""
    answer = await http.get(f"/{query.path}", params=query.params, headers=headers)
    rows: list[Row] = []
    while True:
        assert answer.status_code == 200, (query, answer.text)
        check_collection(answer.json())
        assert answer.headers["x-total-count"] == str(total), query
        rows += answer.json()[query.path]
        following = answer.links.get("next")
        if following is None:
            return rows
        answer = await http.get(following["url"], headers=headers)
