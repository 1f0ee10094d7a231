"""The same roster as OneRoster 1.1: every path, for a vendor of a district and one of a school."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from roster_publisher.domain.collections import KNOWN_SCOPES, V1P1_SCOPES
from tests.support.official_oneroster import check_v1p1_answer, our_v1p1_document
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
from tests.support.oneroster_v1p1 import (
    COLLECTIONS,
    OBJECTS,
    ROLES,
    SINGLES,
    check_v1p1,
    check_v1p1_status,
)
from tests.support.publishing import BASE, Publishing

OLD = "/ims/oneroster/v1p1"
SCOPE = "https://purl.imsglobal.org/spec/or/v1p1/scope/"
# What 1.1 calls each role of 1.2, from the reference; an extension is told by its word.
TOLD = {
    "aide": "aide",
    "counselor": "aide",
    "districtAdministrator": "administrator",
    "guardian": "guardian",
    "parent": "parent",
    "principal": "administrator",
    "proctor": "proctor",
    "relative": "relative",
    "siteAdministrator": "administrator",
    "student": "student",
    "systemAdministrator": "administrator",
    "teacher": "teacher",
    "ext:coach": "relative",
    "ext:teacher": "teacher",
}
SECOND = role("s2", kind="teacher", roleType="secondary")
PLACES = {
    "schools": "s1",
    "classes": "k1",
    "courses": "c1",
    "terms": "t1",
    "users": "u-both",
    "students": "u-both",
    "teachers": "u-teacher",
    "orgs": "s1",
    "academicSessions": "t1",
    "gradingPeriods": "g1",
    "enrollments": "e1",
    "demographics": "u-both",
}
WORLD: list[tuple[str, dict[str, Any]]] = [
    ("org", org("s1", parent=ref("org", "s2"))),
    ("org", org("s2", children=[ref("org", "s1")])),
    ("academicSession", session("t1")),
    ("academicSession", session("g1", type="gradingPeriod", parent=ref("academicSession", "t1"))),
    ("course", course("c1", org=ref("org", "s1"), grades=["09"], subjects=["Mathematics"])),
    ("class", class_("k1", periods=["1", "3"], classType="scheduled", classCode="A")),
    ("class", class_("k2", school="s2")),
    *(("user", user(f"u-{kind.replace(':', '-')}", role(kind=kind))) for kind in TOLD),
    (
        "user",
        user(
            "u-both",
            SECOND,
            role("s1"),
            username="ada",
            userMasterIdentifier="m1",
            preferredFirstName="Ad",
            pronouns="she",
            primaryOrg=ref("org", "s1"),
            userIds=[{"type": "state", "identifier": "7"}],
            email="ada@x.test",
            grades=["09"],
            agents=[ref("user", "u-parent")],
            metadata={"bus": "7"},
        ),
    ),
    ("user", user("u-off", enabledUser=False)),
    ("enrollment", enrollment("e1", user="u-both", beginDate="2026-08-01")),
    ("enrollment", enrollment("e2", user="u-teacher", role="teacher", primary=True)),
    ("enrollment", enrollment("e3", user="u-aide", role="ext:aide", primary=False)),
    ("enrollment", enrollment("e5", user="u-ext-coach", role="ext:coach")),
    ("enrollment", enrollment("e4", user="u-both", class_id="k2", school="s2")),
    ("demographics", demographics("u-both", sex="other", white=True, asian=False)),
    ("demographics", demographics("u-student", sex="female")),
]
ADMINISTRATORS = (
    "districtAdministrator",
    "principal",
    "siteAdministrator",
    "systemAdministrator",
)
OTHERS = sorted(
    [
        "u-both",
        "u-off",
        *(f"u-{kind.replace(':', '-')}" for kind in TOLD if kind not in ADMINISTRATORS),
    ]
)
GRANTS = pytest.mark.parametrize("schools", [None, ("s1",)], ids=["district", "school"])


@asynccontextmanager
async def reading(publishing: Publishing, **grant: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A vendor of a roster with one deletion."""
    await publishing.publish(*WORLD)
    await publishing.publish(("user", "u-off"))
    async with publishing.vendor(**grant) as http:
        yield http


def operations() -> list[tuple[str, str, str]]:
    """(path as it is described, with ids, key of its collection): 29 collections, 12 objects."""
    found = []
    for path in our_v1p1_document()["paths"]:
        kinds = re.findall(r"(\w+)/\{", path)
        ids = iter(PLACES[kind] for kind in kinds)
        last = [word for word in path.split("/") if "{" not in word][-1]
        filled = re.sub(r"\{\w+\}", lambda _, ids=ids: next(ids), path)
        found.append((path, filled, COLLECTIONS[last]))
    return found


@GRANTS
async def test_every_path_gives_what_1_2_gives_in_the_words_of_1_1(
    publishing: Publishing, schools: tuple[str, ...] | None
) -> None:
    read = 0
    async with reading(publishing, schools=schools) as vendor:
        for described, path, kind in operations():
            new, old = await vendor.get(path), await vendor.get(f"{OLD}{path}")
            assert old.status_code == new.status_code == 200, path
            check_v1p1_answer(described, old)
            ((key, found),) = old.json().items()
            (wanted,) = new.json().values()
            single = isinstance(wanted, dict)
            assert key == (SINGLES[kind] if single else kind)
            rows, others = ([found], [wanted]) if single else (found, wanted)
            assert rows, path
            for row, other in zip(rows, others, strict=True):
                check_v1p1(kind, row)
                for name in ("sourcedId", "status", "dateLastModified"):
                    assert row[name] == other[name]
            assert old.headers.get("x-total-count") == new.headers.get("x-total-count")
            if schools is not None:
                assert '"s2"' not in old.text
            read += 1
    assert read == 41


async def test_a_user_has_one_role_their_orgs_and_nothing_of_1_2(publishing: Publishing) -> None:
    async with reading(publishing) as vendor:
        users = (await vendor.get(f"{OLD}/users?limit=50")).json()["users"]
    by_id = {row["sourcedId"]: row for row in users}
    assert {kind: by_id[f"u-{kind.replace(':', '-')}"]["role"] for kind in TOLD} == TOLD
    both = by_id["u-both"]
    assert (both["role"], both["username"], both["enabledUser"]) == ("student", "ada", True)
    assert [one["sourcedId"] for one in both["orgs"]] == ["s2", "s1"]
    assert both["orgs"][0]["href"] == f"{BASE}{OLD}/orgs/s2"
    assert both["metadata"] == {"bus": "7"}
    assert (by_id["u-off"]["enabledUser"], by_id["u-off"]["username"]) == (False, "")
    assert by_id["u-off"]["status"] == "tobedeleted"


async def test_booleans_periods_and_what_1_1_cannot_say(publishing: Publishing) -> None:
    async with reading(publishing) as vendor:
        held = (await vendor.get(f"{OLD}/classes/k1")).json()["class"]
        links = (await vendor.get(f"{OLD}/enrollments")).json()["enrollments"]
        people = (await vendor.get(f"{OLD}/demographics")).json()["demographics"]

    assert held["periods"] == "1,3"
    assert [one.get("primary") for one in links] == [None, True, False, None, None]
    assert [one["role"] for one in links] == ["student", "teacher", "aide", "student", "relative"]
    both, student = people
    assert "sex" not in both
    assert (both["white"], both["asian"]) == (True, False)
    assert student["sex"] == "female"


@pytest.mark.parametrize(
    ("path", "asked", "ids"),
    [
        ("users", "role='teacher'", ["u-both", "u-ext-teacher", "u-teacher"]),
        (
            "users",
            "role='administrator'",
            [f"u-{one}" for one in ADMINISTRATORS],
        ),
        ("users", "role='aide' AND status='active'", ["u-aide", "u-counselor"]),
        ("users", "role='aide' OR role='proctor'", ["u-aide", "u-counselor", "u-proctor"]),
        ("users", "role!='administrator' AND sourcedId~'admin'", []),
        ("users", "role!='administrator' AND sourcedId~'princ'", []),
        (
            "users",
            "role='relative' OR role='teacher'",
            ["u-both", "u-ext-coach", "u-ext-teacher", "u-relative", "u-teacher"],
        ),
        ("users", "role='relative' AND orgs.sourcedId='s1'", ["u-ext-coach", "u-relative"]),
        ("users", "role!='relative' AND sourcedId~'coach'", []),
        ("users", "role!='administrator' OR username='ada'", OTHERS),
        # Words of 1.2 that 1.1 does not have.
        ("users", "role='principal' OR role='ext:coach'", []),
        ("enrollments", "role='relative'", ["e5"]),
        ("enrollments", "role!='relative' AND user.sourcedId='u-ext-coach'", []),
        ("users", "orgs.sourcedId='s2'", ["u-both"]),
        ("users", "username='ada'", ["u-both"]),
        ("enrollments", "role='aide'", ["e3"]),
        ("enrollments", "role!='aide' AND primary='true'", ["e2"]),
        ("classes", "periods='3'", ["k1"]),
    ],
)
async def test_filters_are_in_the_words_of_1_1(
    publishing: Publishing, path: str, asked: str, ids: list[str]
) -> None:
    async with reading(publishing) as vendor:
        answer = await vendor.get(f"{OLD}/{path}", params={"filter": asked})

    assert answer.status_code == 200, answer.text
    assert [row["sourcedId"] for row in answer.json()[path]] == ids
    assert answer.headers["x-total-count"] == str(len(ids))


@GRANTS
async def test_a_filter_by_role_finds_whom_that_role_is_shown_of(
    publishing: Publishing, schools: tuple[str, ...] | None
) -> None:
    async with reading(publishing, schools=schools) as vendor:

        async def found(path: str, asked: str) -> list[dict[str, Any]]:
            answer = await vendor.get(f"{OLD}/{path}", params={"filter": asked})
            assert answer.status_code == 200, answer.text
            rows: list[dict[str, Any]] = answer.json()[path]
            return rows

        for path in ("users", "enrollments"):
            everybody = await found(path, "sourcedId!=''")
            for word in ROLES:
                shown = [row["sourcedId"] for row in everybody if row["role"] == word]
                held = [row["sourcedId"] for row in await found(path, f"role='{word}'")]
                others = [row["sourcedId"] for row in await found(path, f"role!='{word}'")]
                # Any role counts, and one user has a second one at another school.
                second = ["u-both"] if (path, word, schools) == ("users", "teacher", None) else []
                assert held == sorted(shown + second)
                assert sorted(held + others) == [row["sourcedId"] for row in everybody]


@pytest.mark.parametrize(
    "asked",
    [
        "roles.role='student'",
        "preferredFirstName='Ad'",
        "nothing='x'",
    ],
)
async def test_a_filter_that_1_1_does_not_have_is_an_error(
    publishing: Publishing, asked: str
) -> None:
    async with reading(publishing) as vendor:
        answer = await vendor.get(f"{OLD}/users", params={"filter": asked})

    assert answer.status_code == 400
    check_v1p1_status(answer.json(), severity="error", minor="invalid_filter_field")
    assert asked.partition("=")[0].rstrip("!") in answer.json()["imsx_description"]


async def test_unknown_fields_and_orders_are_warned_of_beside_the_rows(
    publishing: Publishing,
) -> None:
    async with reading(publishing) as vendor:
        plain = (await vendor.get(f"{OLD}/users?limit=50")).json()
        warned_page = await vendor.get(f"{OLD}/users?limit=50&fields=role,roles")
        warned_single = await vendor.get(f"{OLD}/users/u-both?fields=nothing")
        fields, single = warned_page.json(), warned_single.json()
        order = (await vendor.get(f"{OLD}/users?limit=50&sort=roles")).json()
        known = (await vendor.get(f"{OLD}/users?limit=50&fields=role,orgs&sort=username")).json()
        blank = await vendor.get(f"{OLD}/users?fields=")

    for path, answer in (("/users", warned_page), ("/users/{sourcedId}", warned_single)):
        check_v1p1_answer(path, answer)
    check_v1p1_answer("/users", blank)
    (warned,) = fields["statusInfoSet"]
    check_v1p1_status(warned, severity="warning", minor="invalid_selection_field")
    assert fields["users"] == plain["users"]
    assert single["user"]["username"] == "ada"
    check_v1p1_status(
        single["statusInfoSet"][0], severity="warning", minor="invalid_selection_field"
    )
    (warned,) = order["statusInfoSet"]
    check_v1p1_status(warned, severity="warning", minor="invalid_sort_field")
    assert order["users"] == plain["users"]
    assert known.keys() == plain.keys() == {"users"}
    assert {tuple(sorted(row)) for row in known["users"]} == {("orgs", "role")}
    assert blank.status_code == 400
    check_v1p1_status(blank.json(), severity="error", minor="invalid_blank_selection_field")


async def test_only_scopes_of_1_1_open_1_1(publishing: Publishing) -> None:
    opened = {}
    async with reading(publishing):
        pass
    sets = {
        "1.2": KNOWN_SCOPES - V1P1_SCOPES,
        "core": frozenset({f"{SCOPE}roster-core.readonly"}),
        "roster": frozenset({f"{SCOPE}roster.readonly"}),
        "demographics": frozenset({f"{SCOPE}roster-demographics.readonly"}),
    }
    paths = ("/users", f"{OLD}/users", f"{OLD}/classes/k1/students", f"{OLD}/demographics")
    for name, scopes in sets.items():
        async with publishing.vendor(name, scopes=scopes) as vendor:
            answers = [await vendor.get(path) for path in paths]
            opened[name] = [one.status_code for one in answers]
            for path, one in zip(paths, answers, strict=True):
                if one.status_code != 200 and path.startswith(OLD):
                    check_v1p1_status(one.json(), severity="error", minor="forbidden")

    assert opened == {
        "1.2": [200, 403, 403, 403],
        "core": [403, 200, 403, 403],
        "roster": [403, 200, 200, 403],
        "demographics": [403, 403, 403, 200],
    }


@GRANTS
async def test_withheld_fields_are_withheld_from_1_1_too(
    publishing: Publishing, schools: tuple[str, ...] | None
) -> None:
    async with reading(publishing, schools=schools, fields=frozenset({"contact"})) as vendor:
        row = (await vendor.get(f"{OLD}/users/u-both")).json()["user"]
        asked = await vendor.get(f"{OLD}/users", params={"filter": "username='ada'"})

    check_v1p1("users", row)
    assert (row["username"], row["givenName"], row["email"]) == ("", "", "ada@x.test")
    assert "metadata" not in row
    assert asked.status_code == 400


async def test_the_same_query_in_both_faces_is_two_pulls(publishing: Publishing) -> None:
    query = {"filter": "role='administrator'", "limit": "3"}
    async with reading(publishing) as vendor:
        old = await vendor.get(f"{OLD}/users", params=query)
        new = await vendor.get("/users", params=query)
        following = await vendor.get(old.links["next"]["url"])

    assert new.headers["x-total-count"] == "0"
    assert old.headers["x-total-count"] == following.headers["x-total-count"] == "4"
    assert old.links["next"]["url"].startswith(f"{BASE}{OLD}/users?")
    assert [row["sourcedId"] for row in following.json()["users"]] == ["u-systemAdministrator"]


@pytest.mark.parametrize("path", ["users/nobody", "classes/nothing/students", "pupils"])
async def test_errors_name_the_message_they_answer(publishing: Publishing, path: str) -> None:
    async with reading(publishing) as vendor:
        answer = await vendor.get(f"{OLD}/{path}")

    assert answer.status_code == 404
    check_v1p1_status(answer.json(), severity="error", minor="unknownobject")


async def test_anybody_reads_what_is_served_and_how(publishing: Publishing) -> None:
    async with publishing.http() as anyone:
        file = await anyone.get(f"{OLD}/discovery/onerosterv1p1rostersservice_openapi3_v1p0.json")
        other = await anyone.get(f"{OLD}/discovery/onerosterv1p2rostersservice_openapi3_v1p0.json")
        misplaced = await anyone.get("/discovery/onerosterv1p1rostersservice_openapi3_v1p0.json")

    assert file.status_code == 200
    told = file.json()
    assert told["info"]["version"] == "1.1"
    assert told["servers"] == [{"url": f"{BASE}{OLD}"}]
    schemes = told["components"]["securitySchemes"]
    flow = schemes["OAuth2CC"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"{BASE}/oauth2/token"
    assert flow["scopes"].keys() == V1P1_SCOPES
    assert schemes["OAuth1"]["scheme"] == "OAuth"
    assert told["paths"] == our_v1p1_document()["paths"]
    assert len(told["paths"]) == 41
    assert (other.status_code, misplaced.status_code) == (401, 401)


def test_the_document_describes_what_the_reference_describes() -> None:
    schemas = our_v1p1_document()["components"]["schemas"]
    for kind, single in SINGLES.items():
        described = schemas[f"{single[0].upper()}{single[1:]}DType"]
        required, optional = OBJECTS[kind]
        head = {"sourcedId", "status", "dateLastModified"}
        # What 1.2 requires is always sent, and so described as such.
        assert set(described["required"]) >= head | required.keys(), kind
        assert described["properties"].keys() == head | {"metadata"} | required.keys() | (
            optional.keys()
        ), kind
    assert set(schemas["UserDType"]["properties"]["role"]["enum"]) == ROLES
