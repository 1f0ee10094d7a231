"""A vendor's CSV package is what its grant sees, in the layout of the binding (ADR 0027)."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from roster_publisher.domain.collections import DEMOGRAPHICS, ROSTER_CORE
from sis_ingest.ports import SnapshotLimits
from sis_ingest.sources.oneroster_csv.reader import OneRosterPackage
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
# Written by hand from the binding.
USERS_12 = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,"
    "middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,"
    "preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns"
)
USERS_11 = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,"
    "familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password"
)
HEADERS = {
    "orgs": "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId",
    "academicSessions": (
        "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear"
    ),
    "courses": (
        "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,"
        "orgSourcedId,subjects,subjectCodes"
    ),
    "classes": (
        "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,"
        "location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods"
    ),
    "enrollments": (
        "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,"
        "primary,beginDate,endDate"
    ),
    "roles": (
        "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,"
        "orgSourcedId,userProfileSourcedId"
    ),
    "demographics": (
        "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,"
        "blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,"
        "demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,countryOfBirthCode,"
        "stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus"
    ),
}
ADA = user(
    "u1",
    role(),
    role("s2", roleType="secondary"),
    username="ada",
    grades=["09", "10"],
    # In the canonical order of sis-ingest: they are a set.
    userIds=[{"type": "ldap", "identifier": "a"}, {"type": "sis", "identifier": "7"}],
    preferredFirstName='Au, "gusta"',
    agents=[ref("user", "u2")],
)
WORLD: list[tuple[Any, dict[str, Any]]] = [
    *school_world(),
    ("org", org("s2", parent=ref("org", "s1"))),
    ("user", user("u2", role("s2", kind="parent"), username="bea")),
    ("user", ADA),
    ("class", class_("k2", school="s2", classType="scheduled", periods=["1", "2"])),
    ("enrollment", enrollment("e1", user="u1", beginDate="2026-09-01")),
    ("demographics", demographics("u1", hispanicOrLatinoEthnicity=True)),
]


async def _zip(vendor: httpx2.AsyncClient, **asked: str) -> zipfile.ZipFile:
    answer = await vendor.get(AT, params=asked)
    assert answer.status_code == 200, answer.text
    return zipfile.ZipFile(io.BytesIO(answer.content))


def _rows(package: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    text = package.read(f"{name}.csv").decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _modes(package: zipfile.ZipFile) -> dict[str, str]:
    return {row["propertyName"]: row["value"] for row in _rows(package, "manifest")}


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_headers_and_manifest_are_exact(publishing: Publishing, version: str) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor() as vendor:
        package = await _zip(vendor, version=version)
    headers = HEADERS | {"users": USERS_12 if version == "1.2" else USERS_11}
    if version == "1.1":
        del headers["roles"]
    assert package.namelist()[0] == "manifest.csv"
    assert {n.removesuffix(".csv") for n in package.namelist()} == {"manifest", *headers}
    for name, header in headers.items():
        assert package.read(f"{name}.csv").decode().split("\r\n")[0] == header
    modes = _modes(package)
    assert modes["oneroster.version"] == version
    assert {n for n, mode in modes.items() if mode == "bulk"} == {f"file.{n}" for n in headers}


async def test_bulk_has_neither_status_nor_time_nor_deletions(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("enrollment", "e1"))
    async with publishing.vendor() as vendor:
        package = await _zip(vendor)
    assert _rows(package, "enrollments") == []
    ada = next(row for row in _rows(package, "users") if row["sourcedId"] == "u1")
    assert (ada["status"], ada["dateLastModified"]) == ("", "")
    assert ada["userIds"] == "{ldap:a},{sis:7}"
    assert ada["preferredGivenName"] == 'Au, "gusta"'
    assert (ada["grades"], ada["agentSourcedIds"]) == ("09,10", "u2")


async def test_delta_tells_what_came_since_and_deletions(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    publishing.clock.advance(10)
    since = publishing.clock.now().isoformat()
    await publishing.publish(("enrollment", "e1"))
    async with publishing.vendor() as vendor:
        package = await _zip(vendor, mode="delta", since=since)
    assert [(r["sourcedId"], r["status"]) for r in _rows(package, "enrollments")] == [
        ("e1", "tobedeleted")
    ]
    assert _rows(package, "users") == []
    assert _modes(package)["file.users"] == "delta"


async def test_a_grant_gets_its_schools_and_the_files_of_its_scopes(
    publishing: Publishing,
) -> None:
    await publishing.publish(*WORLD)
    async with publishing.vendor(schools=("s2",), scopes=frozenset({ROSTER_CORE})) as vendor:
        package = await _zip(vendor)
    assert [(r["sourcedId"], r["parentSourcedId"]) for r in _rows(package, "orgs")] == [("s2", "")]
    assert {r["orgSourcedId"] for r in _rows(package, "roles")} == {"s2"}
    assert "demographics.csv" not in package.namelist()
    assert _modes(package)["file.demographics"] == "absent"
    async with publishing.vendor(scopes=frozenset({DEMOGRAPHICS})) as vendor:
        assert (await _zip(vendor)).namelist() == ["manifest.csv", "demographics.csv"]


async def test_districts_do_not_mix(publishing: Publishing) -> None:
    await publishing.publish(*WORLD)
    await publishing.publish(("org", org("x1")), district="d2")
    async with publishing.vendor(district="d2") as vendor:
        assert [r["sourcedId"] for r in _rows(await _zip(vendor), "orgs")] == ["x1"]


async def test_what_is_written_is_read_back(publishing: Publishing, tmp_path: Path) -> None:
    await publishing.publish(*WORLD)
    path = tmp_path / "oneroster.zip"
    async with publishing.vendor() as vendor:
        path.write_bytes((await vendor.get(AT)).content)
        told = {
            name: (await vendor.get(f"/{name}")).json()[name]
            for name in ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")
        }
    read = _imported(path)
    for name, records in told.items():
        assert read[name] == {one["sourcedId"]: _plain(one) for one in records}, name


def _imported(path: Path) -> dict[str, dict[str, Any]]:
    package = OneRosterPackage(path, limits=SnapshotLimits())
    found: dict[str, dict[str, Any]] = {}
    try:
        assert not package.warnings
        for collection in package.collections:
            name = collection.file.removesuffix(".csv")
            found[name] = {}
            for chunk in package.chunks(collection, rows=100):
                rows = package.read(collection, chunk.rows)
                assert not chunk.problems
                assert not rows.refused
                for row in rows.good:
                    assert row.body is not None
                    found[name][row.external_id] = _plain(orjson.loads(row.body))
    finally:
        package.close()
    return found


def _plain(value: Any) -> Any:
    """Without what CSV has no column for, and with flags as text."""
    if isinstance(value, dict):
        left = {"href", "status", "dateLastModified", "children"}
        if set(value) - {"href"} == {"sourcedId", "type"}:
            left.add("type")
        return {k: _plain(v) for k, v in value.items() if k not in left and v not in ([], "")}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else value
