"""Filters and orders on any field, held against a brute-force model of ADR 0023."""

import itertools
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_publisher.adapters.postgres.reads import PostgresReads
from tests.support.official_oneroster import check_collection, check_error
from tests.support.oneroster_records import (
    Record,
    class_,
    course,
    demographics,
    enrollment,
    org,
    ref,
    role,
    school_world,
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
PREDICATES = ("=", "!=", ">", ">=", "<", "<=", "~")
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
GRANTS = st.sampled_from([None, None, ("s1",), ("s1", "s2"), ("s2", "s3")])
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
    grant: tuple[str, ...] | None,
    groups: frozenset[str] | None,
    asked: list[Query],
    back: int,
) -> None:
    name = f"d{next(DISTRICTS)}"
    newest = (await publishing.publish(*START, district=name)).revision or 0
    for facts in commits:
        newest = (await publishing.publish(*facts, district=name)).revision or newest
    pinned = {} if back == 0 else {"X-Roster-Revision": str(max(1, newest - back))}

    async with publishing.vendor(f"v-{name}", district=name, schools=grant, fields=groups) as http:
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


WORLD = [
    *school_world(),
    ("user", user("amy", familyName="Zed", email="amy@example.org", metadata={"bus": 10, "a": {"b": ["x"]}})),
    ("user", user("bob", familyName="alba", email="Bob@example.org", metadata={"bus": 9})),
    ("user", user("cyd", familyName="Alba", metadata={"a.b": "x"}, agents=[ref("user", "amy")])),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("familyName='Alba'", ["cyd"]),
        ("familyName~'ALB'", ["bob", "cyd"]),
        ("familyName>'Z'", ["amy", "bob"]),
        ("email!='amy@example.org'", ["bob", "cyd"]),
        ("email~'_'", []),
        ("metadata.bus>'9'", ["amy"]),
        ("metadata.bus='10.0'", ["amy"]),
        ("metadata.a.b='x'", ["amy", "cyd"]),
        ("metadata.a='x'", []),
        ("agents.sourcedId='amy' OR sourcedId='bob' OR metadata.bus='10'", ["amy", "bob", "cyd"]),
        ("roles.role='student' AND enabledUser='true' AND familyName~'a'", ["bob", "cyd"]),
        ("role~'stu,par'", ["amy", "bob", "cyd"]),
        ("roles.role>'a' AND roles.roleType='primary'", ["amy", "bob", "cyd"]),
        ("resources.sourcedId='r1'", []),
        ("dateLastModified~'2026-09' AND sourcedId~'B'", ["bob"]),
    ],
)
async def test_fields_without_a_column_are_filtered_on(
    publishing: Publishing, text: str, wanted: list[str]
) -> None:
    await publishing.publish(*WORLD)

    async with publishing.vendor() as http:
        answer = await http.get("/users", params={"filter": text})

    assert [row["sourcedId"] for row in answer.json()["users"]] == wanted
    assert answer.headers["x-total-count"] == str(len(wanted))


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"sort": "familyName"}, ["cyd", "amy", "bob"]),
        ({"sort": "familyName", "orderBy": "desc"}, ["bob", "amy", "cyd"]),
        ({"sort": "email"}, ["bob", "amy", "cyd"]),
        ({"sort": "email", "orderBy": "desc"}, ["amy", "bob", "cyd"]),
        ({"sort": "sourcedId", "orderBy": "desc"}, ["cyd", "bob", "amy"]),
        ({"sort": "roles.role", "orderBy": "desc"}, ["amy", "bob", "cyd"]),
        ({"sort": "metadata.a.b"}, ["amy", "cyd", "bob"]),
        ({"sort": "shoeSize"}, ["amy", "bob", "cyd"]),
        ({"sort": "org"}, ["amy", "bob", "cyd"]),
        ({"sort": "", "orderBy": "desc"}, ["amy", "bob", "cyd"]),
    ],
)
async def test_rows_come_in_the_order_asked_for(
    publishing: Publishing, params: dict[str, str], wanted: list[str]
) -> None:
    await publishing.publish(*WORLD)

    async with publishing.vendor() as http:
        answer = await http.get("/users", params=params)
        by_ones = [
            (await http.get("/users", params=params | {"limit": "1", "offset": str(n)})).json()
            for n in range(3)
        ]

    assert [row["sourcedId"] for row in answer.json()["users"]] == wanted
    assert [page["users"][0]["sourcedId"] for page in by_ones] == wanted


async def test_an_order_that_is_none_is_refused(publishing: Publishing) -> None:
    async with publishing.vendor() as http:
        answer = await http.get("/users?sort=familyName&orderBy=upwards")

    assert answer.status_code == 400
    check_error(answer.json())


async def test_a_sorted_pull_stays_at_its_revision(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=6))
    async with publishing.vendor() as http:
        first = await http.get("/users?sort=givenName&orderBy=desc&limit=4")
        await publishing.publish(
            ("user", user("u000", givenName="Zoe")), ("user", user("u9", givenName="Aaa"))
        )
        second = await http.get(first.links["next"]["url"])

    assert [first.headers["x-roster-revision"], second.headers["x-roster-revision"]] == ["1", "1"]
    rows = first.json()["users"] + second.json()["users"]
    assert [row["sourcedId"] for row in rows] == [f"u{n:03d}" for n in range(6)]
    assert {row["givenName"] for row in rows} == {"Ada"}


async def test_a_withheld_field_is_as_unknown_as_one_that_does_not_exist(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)

    async with publishing.vendor(fields=frozenset({"contact"})) as http:
        refused = {
            name: await http.get("/users", params={"filter": f"{name}~'a'"})
            for name in ("familyName", "userIds.identifier", "metadata.bus", "nothing.at.all")
        }
        sorted_by_it = await http.get("/users?sort=familyName")
        by_email = await http.get("/users?sort=email&orderBy=desc")

    for name, answer in refused.items():
        assert answer.status_code == 400
        assert answer.json()["imsx_description"] == (
            f"cannot filter on {name}: there is no such field, or it has fields of its own, as org"
            " has org.sourcedId"
        )
    assert [row["sourcedId"] for row in sorted_by_it.json()["users"]] == ["amy", "bob", "cyd"]
    assert [row["sourcedId"] for row in by_email.json()["users"]] == ["amy", "bob", "cyd"]


async def test_what_is_out_of_sight_cannot_be_asked_for(publishing: Publishing) -> None:
    await publishing.publish(
        *school_world(),
        ("org", org("s2", name="Second")),
        ("org", org("s1", parent=ref("org", "s2"), children=[ref("org", "s2")])),
        ("course", course("c1", org=ref("org", "s2"))),
        ("user", user("far", role("s2"))),
        (
            "user",
            user(
                "near",
                role("s1"),
                role("s2", kind="teacher", beginDate="2026-08-01"),
                agents=[ref("user", "far")],
                primaryOrg=ref("org", "s2"),
            ),
        ),
    )
    hidden = {
        "orgs": ["parent.sourcedId='s2'", "children.sourcedId~'s2'", "parent.type='org'"],
        "courses": ["org.sourcedId='s2'", "org.type='org'"],
        "users": [
            *("agents.sourcedId='far'", "agents.type='user'", "roles.org.sourcedId~'s2'"),
            *("roles.role~'teach'", "roles.beginDate='2026-08-01'", "primaryOrg.sourcedId='s2'"),
        ],
    }

    async with publishing.vendor("all") as everybody, publishing.vendor("one", schools=("s1",)) as http:  # fmt: skip
        for path, filters in hidden.items():
            for text in filters:
                seen = await everybody.get(f"/{path}", params={"filter": text})
                unseen = await http.get(f"/{path}", params={"filter": text})
                assert seen.headers["x-total-count"] != "0", text
                assert unseen.headers["x-total-count"] == "0", text
        for name in ("agents.sourcedId", "primaryOrg.sourcedId"):
            rows = (await http.get(f"/users?sort={name}&orderBy=desc")).json()["users"]
            assert [row["sourcedId"] for row in rows] == ["near"]


ATTACKS = (
    "'; DROP TABLE roster_publisher.object; --",
    "' OR '1'='1",
    "\\'; SELECT pg_sleep(60); --",
    '") ? (1 == 1)',
    '$.*"',
    "{{}}%s$1",
    "*/ UNION SELECT secret_hash FROM roster_publisher.client --",
    "\ud7ff\uffff\U0010ffff",
)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_values_and_paths_are_never_part_of_a_statement(
    publishing: Publishing, attack: str
) -> None:
    await publishing.publish(
        *WORLD, ("user", user("odd", givenName=attack, metadata={attack: "1"}))
    )
    quoted = attack.replace("'", "''")

    async with publishing.vendor() as http:
        asked = [
            {"filter": f"givenName='{quoted}'"},
            {"filter": f"givenName~'{quoted}' AND metadata.x!='{quoted}'"},
            {"filter": f"sourcedId>'{quoted}' OR givenName='{quoted}'"},
            {"filter": f"metadata.{attack}='1'"},
            {"filter": attack},
            {"sort": f"metadata.{attack}"},
            {"sort": attack, "orderBy": "desc"},
            {"sort": "givenName", "orderBy": attack},
        ]
        answers = [await http.get("/users", params=params) for params in asked]
        still = await http.get("/users")

    assert {answer.status_code for answer in answers} <= {200, 400}
    for answer in answers[:2]:
        assert [row["sourcedId"] for row in answer.json()["users"]] == ["odd"]
    assert still.headers["x-total-count"] == "4"


async def test_a_query_without_an_index_that_takes_too_long_is_told_how_to_narrow_it(
    publishing: Publishing,
) -> None:
    publishing.reads = PostgresReads(publishing.database, slow_s=0.2)
    await publishing.publish(*school_world(users=3))

    async with publishing.vendor() as http:
        async with publishing.database.begin() as tx:
            await (await tx.driver()).execute("LOCK TABLE roster_publisher.object")
            answers = [
                await http.get("/users", params=params)
                for params in (
                    {"filter": "givenName='Ada' AND metadata.bus='7'"},
                    {"sort": "familyName", "orderBy": "desc"},
                    {"sort": "familyName", "filter": "familyName='x'"},
                )
            ]
        later = await http.get("/users?filter=givenName='Ada'")
        limit = await publishing.reads._lines.row("SHOW statement_timeout")

    for answer, named in zip(answers, ("givenName and metadata.bus", "familyName", "familyName"), strict=True):  # fmt: skip
        assert answer.status_code == 400
        check_error(answer.json())
        assert "invaliddata" in answer.text
        assert f"for {named}, and that took more than 0.2 s" in answer.json()["imsx_description"]
    assert later.headers["x-total-count"] == "3"
    assert limit is not None
    assert limit[0] == "30s"
