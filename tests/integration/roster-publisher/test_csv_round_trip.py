"""What a package says is what the importer of sis-ingest reads out of it, and nothing else."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from roster_publisher.domain.v1p1 import ROLES
from sis_ingest.ports.snapshots import SnapshotLimits
from sis_ingest.sources.oneroster_csv.reader import OneRosterPackage
from tests.support.oneroster_records import (
    class_,
    course,
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
COLLECTIONS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")
# What a spreadsheet would run, and what only looks as if it had been kept from that.
ODD = ("=1+1", "+49", "-x", "@y", "'=1", "''@z", "'plain")
WORLD: list[tuple[Any, dict[str, Any]]] = [
    *school_world(),
    ("org", org("s2", name="=HYPERLINK(1)", parent=ref("org", "s1"))),
    ("course", course("c2", title="@home", subjects=["=a, b", 'say "c"'], subjectCodes=["-1"])),
    ("class", class_("k2", school="s2", location="-1", periods=["+1", "2"], title="'tis")),
    (
        "user",
        user(
            "u1",
            role(),
            role("s2", roleType="secondary", beginDate="2026-08-01"),
            username="+ada",
            email="=ada@example.org",
            phone="+49 30 1",
            identifier="=7",
            givenName="=Ada",
            familyName="'=Byron",
            grades=["09", "10"],
            userIds=[{"type": "ldap", "identifier": "a"}, {"type": "sis", "identifier": "7"}],
            metadata={str(place): text for place, text in enumerate(ODD)},
        ),
    ),
    ("user", user("u2", role("s2", kind="parent"), username="@bea", agents=[ref("user", "u1")])),
    ("enrollment", enrollment("e1", user="u1", beginDate="2026-09-01", primary=False)),
    ("enrollment", enrollment("e2", user="u2", class_id="k2", school="s2", role="ext:parent")),
    ("demographics", demographics("u1", hispanicOrLatinoEthnicity=True, cityOfBirth="-Y")),
]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_what_is_written_is_read_back(
    publishing: Publishing, tmp_path: Path, version: str
) -> None:
    await publishing.publish(*WORLD)
    path = tmp_path / "oneroster.zip"
    async with publishing.vendor() as vendor:
        path.write_bytes((await vendor.get(AT, params={"version": version})).content)
        told = {name: (await vendor.get(f"/{name}")).json()[name] for name in COLLECTIONS}
        told["demographics"] = (await vendor.get("/demographics")).json()["demographics"]
    read = imported(path)
    for name, records in told.items():
        expected = {one["sourcedId"]: plain(one) for one in records}
        if version == "1.1" and name == "users":
            expected = {key: _in_words_of_1_1(one) for key, one in expected.items()}
        assert read[name] == expected, name


async def test_a_delta_is_read_back_with_its_deletions(
    publishing: Publishing, tmp_path: Path
) -> None:
    await publishing.publish(*WORLD)
    path = tmp_path / "oneroster.zip"
    async with publishing.vendor() as vendor:
        since = (await vendor.get(AT)).headers["x-next-since"]
        await publishing.publish(("enrollment", "e1"), ("user", user("u2", role("s2"))))
        answer = await vendor.get(AT, params={"mode": "delta", "since": since})
        path.write_bytes(answer.content)
    read = imported(path)
    assert set(read["users"]) == {"u2"}
    assert read["users"]["u2"]["roles"] == [
        {"roleType": "primary", "role": "student", "org": {"sourcedId": "s2"}}
    ]
    # With what is left of the person, told again because the person was written.
    assert read["enrollments"]["e1"] is None
    assert set(read["enrollments"]) <= {"e1", "e2"}


def imported(path: Path) -> dict[str, dict[str, Any]]:
    """Records by file and id; None for one that is told as gone."""
    package = OneRosterPackage(path, limits=SnapshotLimits())
    found: dict[str, dict[str, Any]] = {}
    try:
        assert not package.warnings
        for collection in package.collections:
            records = found[collection.file.removesuffix(".csv")] = {}
            for chunk in package.chunks(collection, rows=100):
                rows = package.read(collection, chunk.rows)
                assert not chunk.problems
                assert not rows.refused
                for row in rows.good:
                    assert row.body is not None
                    body = None if row.deleted else plain(orjson.loads(row.body))
                    records[row.external_id] = body
    finally:
        package.close()
    return found


def plain(value: Any) -> Any:
    """Without what CSV has no column for, and with flags as text."""
    if isinstance(value, dict):
        left = {"href", "status", "dateLastModified", "children"}
        if set(value) - {"href"} == {"sourcedId", "type"}:
            left.add("type")
        return {k: plain(v) for k, v in value.items() if k not in left and v not in ([], "")}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else value


def _in_words_of_1_1(one: dict[str, Any]) -> dict[str, Any]:
    """One role, held at every org, is all that 1.1 says of a person's roles."""
    held = ROLES[one["roles"][0]["role"]]
    roles = [{"roleType": "primary", "role": held, "org": r["org"]} for r in one["roles"]]
    return one | {"roles": roles}
