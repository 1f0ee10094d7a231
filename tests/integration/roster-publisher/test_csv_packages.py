"""A vendor's CSV package is what its grant sees, in the layout of the binding (ADR 0027)."""

from typing import Any

import httpx2
import pytest

from roster_publisher.domain.collections import DEMOGRAPHICS, ROSTER_CORE
from tests.support.csv_package import HEADERS, CsvPackage, read_package, unresolved
from tests.support.oneroster_records import (
    class_,
    demographics,
    enrollment,
    org,
    ref,
    role,
    school_world,
    user,
)
from tests.support.publishing import Publishing

AT = "/exports/oneroster.zip"
PROFILE = {
    "profileId": "https://apps.example/p/1",
    "profileType": "sso",
    "vendorId": "apps.example",
    "applicationId": "reader",
    "credentials": [{"type": "sso", "username": "ada7"}, {"type": "pin", "username": "ada"}],
}
ADA = user(
    "u1",
    role(),
    role("s2", roleType="secondary", userProfile=PROFILE["profileId"]),
    role("s2", roleType="secondary", kind="aide"),
    username="ada",
    grades=["09", "10"],
    userIds=[{"type": "ldap", "identifier": "a"}, {"type": "sis", "identifier": "7"}],
    preferredFirstName='Au, "gusta"',
    agents=[ref("user", "u2")],
    userProfiles=[PROFILE],
    metadata={"team": "=cmd()", "bus": {"line": 7}, "late": True},
)
WORLD: list[tuple[Any, dict[str, Any]]] = [
    *school_world(),
    ("org", org("s2", parent=ref("org", "s1"))),
    ("user", user("u2", role("s2", kind="parent"), username="bea", metadata={"lift": "yes"})),
    ("user", ADA),
    ("class", class_("k2", school="s2", classType="scheduled", periods=["1", "2"])),
    ("enrollment", enrollment("e1", user="u1", beginDate="2026-09-01")),
    ("demographics", demographics("u1", hispanicOrLatinoEthnicity=True)),
]


async def taken(vendor: httpx2.AsyncClient, **asked: str) -> CsvPackage:
    """A package, as an independent reader takes it apart."""
    answer = await vendor.get(AT, params=asked)
    assert answer.status_code == 200, answer.text
    return read_package(answer.content)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_headers_and_manifest_are_exact(publishing: Publishing, version: str) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as vendor:
        package = await taken(vendor, version=version)
    assert package.version == version
    assert set(package.files) == set(HEADERS[version])
    assert {n for n, mode in package.modes.items() if mode == "bulk"} == set(HEADERS[version])
    assert unresolved(package) == []


async def test_cells_are_as_the_binding_writes_them(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as vendor:
        package = await taken(vendor)
    ada = package.files["users"]["u1"]
    assert ada["userIds"] == "{ldap:a},{sis:7}"
    assert ada["preferredGivenName"] == 'Au, "gusta"'
    assert (ada["grades"], ada["agentSourcedIds"]) == ("09,10", "u2")
    assert (ada["enabledUser"], ada["password"]) == ("true", "")
    assert package.files["classes"]["k2"]["periods"] == "1,2"
    assert package.files["demographics"]["u1"]["hispanicOrLatinoEthnicity"] == "true"
    assert package.files["enrollments"]["e1"]["beginDate"] == "2026-09-01"


async def test_roles_and_profiles_are_rows_of_their_own(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as vendor:
        package = await taken(vendor)
    profiles = package.rows("userProfiles")
    assert [(p["credentialType"], p["username"]) for p in profiles] == [
        ("sso", "ada7"),
        ("pin", "ada"),
    ]
    assert {p["userSourcedId"] for p in profiles} == {"u1"}
    roles = [r for r in package.rows("roles") if r["userSourcedId"] == "u1"]
    assert sorted((r["orgSourcedId"], r["role"], r["roleType"]) for r in roles) == [
        ("s1", "student", "primary"),
        ("s2", "aide", "secondary"),
        ("s2", "student", "secondary"),
    ]
    (named,) = (r for r in roles if r["userProfileSourcedId"])
    assert named["userProfileSourcedId"] == profiles[0]["sourcedId"]


async def test_1_1_has_one_row_per_person_with_one_role(publishing: Publishing) -> None:
    await publishing.publish(
        *WORLD, ("user", user("u3", role("s2", kind="principal", roleType="secondary")))
    )
    async with publishing.vendor() as vendor:
        package = await taken(vendor, version="1.1")
    ada, boss = package.files["users"]["u1"], package.files["users"]["u3"]
    assert (ada["role"], ada["orgSourcedIds"]) == ("student", "s1,s2")
    assert (boss["role"], boss["orgSourcedIds"]) == ("administrator", "s2")


async def test_metadata_has_columns_at_the_end(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as vendor:
        package = await taken(vendor)
    async with publishing.vendor(fields=frozenset({"names"})) as vendor:
        without = await taken(vendor)
    ada, bea = package.files["users"]["u1"], package.files["users"]["u2"]
    # A spreadsheet would run the first.
    assert ada["metadata.team"] == "'=cmd()"
    assert (ada["metadata.bus"], ada["metadata.late"]) == ('{"line":7}', "true")
    assert "metadata.lift" not in ada
    assert bea["metadata.lift"] == "yes"
    assert not [name for name in without.files["users"]["u1"] if name.startswith("metadata.")]


async def test_withheld_fields_are_empty_columns(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(fields=frozenset()) as vendor:
        package = await taken(vendor)
    ada = package.files["users"]["u1"]
    kept = {"sourcedId", "enabledUser", "grades", "agentSourcedIds"}
    assert {name for name, cell in ada.items() if cell} == kept
    assert package.rows("userProfiles") == []
    assert not any(row["userProfileSourcedId"] for row in package.rows("roles"))


async def test_bulk_holds_nothing_that_points_at_what_is_gone(publishing: Publishing) -> None:
    await publishing.publish(
        *WORLD,
        ("class", class_("k3", school="s2")),
        ("enrollment", enrollment("e2", user="u2", class_id="k2", school="s2")),
        ("enrollment", enrollment("e3", user="u1", class_id="k3", school="s1")),
    )
    # Sources delete what others of their records still point at.
    await publishing.publish(("user", "u2"), ("org", "s1"))
    async with publishing.vendor() as vendor:
        package = await taken(vendor)
        await publishing.publish(("course", "c1"))
        later = await taken(vendor)
    assert unresolved(package) == []
    # Who goes is named nowhere, and what cannot be without a school or a person is not there.
    assert set(package.files["enrollments"]) == set()
    assert set(package.files["classes"]) == {"k2", "k3"}
    assert package.files["users"]["u1"]["agentSourcedIds"] == ""
    assert package.files["orgs"]["s2"]["parentSourcedId"] == ""
    assert {row["orgSourcedId"] for row in package.rows("roles")} == {"s2"}
    # Without the course there are neither its classes nor their enrolments.
    assert unresolved(later) == []
    assert later.rows("classes") == []


async def test_a_grant_gets_its_schools_and_the_files_of_its_scopes(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(schools=("s2",), scopes=frozenset({ROSTER_CORE})) as vendor:
        package = await taken(vendor)
    assert [(r["sourcedId"], r["parentSourcedId"]) for r in package.rows("orgs")] == [("s2", "")]
    assert {r["orgSourcedId"] for r in package.rows("roles")} == {"s2"}
    assert package.modes["demographics"] == "absent"
    assert unresolved(package) == []
    async with publishing.vendor(scopes=frozenset({DEMOGRAPHICS})) as vendor:
        assert set((await taken(vendor)).files) == {"demographics"}


async def test_a_package_of_one_school_names_nothing_out_of_scope(
    publishing: Publishing,
) -> None:
    await publishing.publish(
        *WORLD,
        ("user", user("stranger", role("s1"))),
        ("enrollment", enrollment("e9", user="stranger")),
    )
    async with publishing.vendor(schools=("s2",)) as vendor:
        for version in HEADERS:
            answer = await vendor.get(AT, params={"version": version})
            cells = {
                part
                for rows in read_package(answer.content).files.values()
                for row in rows.values()
                for cell in row.values()
                for part in cell.split(",")
            }
            assert not cells & {"s1", "stranger", "e9", "k1"}
            assert {"s2", "u1", "k2"} <= cells


async def test_districts_do_not_mix(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("org", org("x1")), district="d2")
    async with publishing.vendor(district="d2") as vendor:
        assert [r["sourcedId"] for r in (await taken(vendor)).rows("orgs")] == ["x1"]


async def test_what_cannot_be_asked_for_is_a_problem(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    since = publishing.clock.now().isoformat().replace("+00:00", "Z")
    async with publishing.http() as nobody:
        assert (await nobody.get(AT)).status_code == 401
    async with publishing.vendor() as vendor:
        for asked, status in (
            ({"version": "2.0"}, 422),
            ({"mode": "all"}, 422),
            ({"mode": "delta"}, 400),
            ({"mode": "bulk", "since": since}, 400),
            ({"mode": "delta", "since": since.removesuffix("Z")}, 400),
            ({"mode": "delta", "since": "2020-01-01T00:00:00Z"}, 410),
        ):
            answer = await vendor.get(AT, params=asked)
            assert answer.status_code == status, asked
            assert answer.headers["content-type"] == "application/problem+json"
