"""An independent reader of OneRoster CSV packages: zipfile, csv and the tables of the binding.

The tables are typed from the OneRoster CSV binding 1.1 and 1.2.1; nothing here knows our writer.
"""

import csv
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

Row = dict[str, str]

_USERS_12 = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,"
    "middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,"
    "preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns"
)
_USERS_11 = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,"
    "familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password"
)
_BOTH = {
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
    "demographics": (
        "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,"
        "blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,"
        "demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,countryOfBirthCode,"
        "stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus"
    ),
}
HEADERS: Mapping[str, Mapping[str, str]] = {
    "1.1": {**_BOTH, "users": _USERS_11},
    "1.2": {
        **_BOTH,
        "users": _USERS_12,
        "roles": (
            "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,"
            "orgSourcedId,userProfileSourcedId"
        ),
        "userProfiles": (
            "sourcedId,status,dateLastModified,userSourcedId,profileType,vendorId,applicationId,"
            "description,credentialType,username,password"
        ),
    },
}
_OF_ALL = {"categories", "classResources", "courseResources", "lineItems", "resources", "results"}
# Files that the manifest of a version names, whether they are there or not.
NAMED: Mapping[str, frozenset[str]] = {
    "1.1": frozenset(_OF_ALL | set(HEADERS["1.1"])),
    "1.2": frozenset(
        _OF_ALL
        | set(HEADERS["1.2"])
        | {
            "lineItemLearningObjectiveIds",
            "lineItemScoreScales",
            "resultLearningObjectiveIds",
            "resultScoreScales",
            "scoreScales",
            "userResources",
        }
    ),
}
# Columns that point at rows of a file; several ids with commas between.
_POINTERS: Mapping[str, Mapping[str, str]] = {
    "orgs": {"parentSourcedId": "orgs"},
    "academicSessions": {"parentSourcedId": "academicSessions"},
    "courses": {"schoolYearSourcedId": "academicSessions", "orgSourcedId": "orgs"},
    "classes": {
        "courseSourcedId": "courses",
        "schoolSourcedId": "orgs",
        "termSourcedIds": "academicSessions",
    },
    "users": {
        "agentSourcedIds": "users",
        "primaryOrgSourcedId": "orgs",
        "orgSourcedIds": "orgs",
    },
    "roles": {
        "userSourcedId": "users",
        "orgSourcedId": "orgs",
        "userProfileSourcedId": "userProfiles",
    },
    "userProfiles": {"userSourcedId": "users"},
    "enrollments": {
        "classSourcedId": "classes",
        "schoolSourcedId": "orgs",
        "userSourcedId": "users",
    },
    "demographics": {"sourcedId": "users"},
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvPackage:
    """A package taken apart: rows by file and id, and how each file is stated."""

    version: str
    modes: Mapping[str, str]
    files: Mapping[str, Mapping[str, Row]] = field(default_factory=dict)

    def rows(self, name: str) -> list[Row]:
        """The rows of a file, in its order."""
        return list(self.files[name].values())


def read_package(content: bytes) -> CsvPackage:
    """The package, with everything checked that the binding says of its form."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        assert package.testzip() is None
        names = package.namelist()
        assert len(set(names)) == len(names)
        assert names[0] == "manifest.csv"
        stated = list(csv.reader(io.StringIO(package.read(names[0]).decode(), newline="")))
        assert stated[0] == ["propertyName", "value"]
        told = dict(stated[1:])
        assert len(told) == len(stated) - 1
        version = told.pop("oneroster.version")
        assert told.pop("manifest.version") == "1.0"
        assert told.pop("source.systemName")
        assert told.pop("source.systemCode")
        assert set(told) == {f"file.{name}" for name in NAMED[version]}
        assert set(told.values()) <= {"absent", "bulk", "delta"}
        modes = {name.removeprefix("file."): mode for name, mode in told.items()}
        there = {name for name, mode in modes.items() if mode != "absent"}
        assert {name.removesuffix(".csv") for name in names[1:]} == there
        files = {name: _rows(package, name, version, modes[name]) for name in there}
    return CsvPackage(version=version, modes=modes, files=files)


def unresolved(package: CsvPackage) -> list[tuple[str, str, str]]:
    """(file, column, id) of every reference to a row that the package does not hold, among rows
    that stand; files that are absent are not looked for.
    """
    return [
        (name, column, wanted)
        for name, rows in package.files.items()
        for row in rows.values()
        if row["status"] != "tobedeleted"
        for column, target in _POINTERS[name].items()
        if target in package.files
        for wanted in filter(None, row.get(column, "").split(","))
        if wanted not in package.files[target]
    ]


def applied(package: CsvPackage, delta: CsvPackage) -> CsvPackage:
    """What a vendor holds who had `package` and takes in `delta`, row by row.

    Profiles go with their person: of somebody who left the vendor's sight they are not named.
    """
    assert delta.version == package.version
    held = {name: dict(rows) for name, rows in package.files.items()}
    for name, rows in delta.files.items():
        for sourced_id, row in rows.items():
            if row["status"] == "tobedeleted":
                held[name].pop(sourced_id, None)
            else:
                held[name][sourced_id] = row | {"status": "", "dateLastModified": ""}
    held |= {
        name: {key: row for key, row in rows.items() if row["userSourcedId"] in held["users"]}
        for name, rows in held.items()
        if name == "userProfiles"
    }
    return CsvPackage(version=package.version, modes=package.modes, files=held)


def different(one: CsvPackage, other: CsvPackage) -> list[tuple[str, str, Row | None, Row | None]]:
    """(file, id, row of one, row of the other) where they say something else."""
    return [
        (name, sourced_id, mine.get(sourced_id), theirs.get(sourced_id))
        for name, mine in one.files.items()
        for theirs in (other.files[name],)
        for sourced_id in sorted({*mine, *theirs})
        if mine.get(sourced_id) != theirs.get(sourced_id)
    ]


def _rows(package: zipfile.ZipFile, name: str, version: str, mode: str) -> dict[str, Row]:
    text = package.read(f"{name}.csv").decode("utf-8")
    assert not text.startswith("\ufeff")
    assert text.endswith("\r\n")
    lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    header, wanted = lines[0], HEADERS[version][name].split(",")
    assert header[: len(wanted)] == wanted
    assert all(column.startswith("metadata.") for column in header[len(wanted) :])
    assert len(set(header)) == len(header)
    rows: dict[str, Row] = {}
    for line in lines[1:]:
        row = dict(zip(header, line, strict=True))
        assert row["sourcedId"]
        assert row["sourcedId"] not in rows, f"{row['sourcedId']} twice in {name}"
        if mode == "bulk":
            assert (row["status"], row["dateLastModified"]) == ("", "")
        else:
            assert row["status"] in {"active", "tobedeleted"}
            assert _MOMENT.fullmatch(row["dateLastModified"])
        # A column of metadata that a record lacks is one that it has empty.
        rows[row["sourcedId"]] = {
            column: cell
            for column, cell in row.items()
            if cell or not column.startswith("metadata.")
        }
    return rows
