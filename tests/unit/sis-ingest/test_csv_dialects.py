"""OneRoster CSV as others write it: 1.0, misspelt and mixed headers, no manifest, odd ends."""

from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from sis_ingest.ports.snapshots import SnapshotLimits, SnapshotRefused
from sis_ingest.sources import KINDS
from tests.support.ingesting import (
    CLASSES,
    ORGS,
    USERS,
    csv,
    district,
    manifest,
    org_row,
    package,
    user_row,
)

ROOM = KINDS["oneroster_csv"]
USERS_10 = (
    "sourcedId", "status", "dateLastModified", "orgSourcedIds", "role", "username", "userId",
    "givenName", "familyName", "identifier", "email", "sms", "phone", "agents",
)  # fmt: skip
SESSIONS_10 = (
    "sourcedId", "status", "dateLastModified", "title", "type", "startDate", "endDate",
    "parentSourcedId",
)  # fmt: skip
CLASSES_10 = (
    "sourcedId", "status", "dateLastModified", "title", "grade", "courseSourcedId", "classCode",
    "classType", "location", "schoolSourcedId", "termSourcedId", "subjects",
)  # fmt: skip
DEMOGRAPHICS_10 = ("userSourcedId", "status", "dateLastModified", "birthdate", "sex", "asian")


def person_10(sourced_id: str, *, user_id: str = "", status: str = "") -> Sequence[str]:
    """A row of users.csv 1.0."""
    return (
        sourced_id, status, "", "school-1", "student", sourced_id, user_id, "Ada", "Byron", "", "",
        "", "", "guardian-1",
    )  # fmt: skip


def of_1_0(**replaced: bytes) -> dict[str, bytes]:
    """A package of 1.0: no manifest, and the old names of columns."""
    files = {
        "orgs": csv(ORGS, org_row("school-1")),
        "academicSessions": csv(
            SESSIONS_10,
            ("fall", "", "", "Fall", "semester", "2020-08-17", "2020-12-18", ""),
            ("spring", "", "", "Spring", "semester", "2021-01-04", "2021-05-28", ""),
        ),
        "classes": csv(
            CLASSES_10,
            (
                "c1",
                "",
                "",
                "Art",
                "9",
                "art",
                "A-1",
                "Scheduled",
                "",
                "school-1",
                "fall,spring",
                "",
            ),
        ),
        "users": csv(USERS_10, person_10("u1", user_id="lms-7")),
        "demographics": csv(DEMOGRAPHICS_10, ("u1", "", "", "2009-05-30", "Female", "TRUE")),
        **replaced,
    }
    return {f"{name}.csv": content for name, content in files.items()}


def opened(tmp_path: Path, files: dict[str, bytes] | bytes, *, profile: str | None = None):
    path = tmp_path / "package"
    path.write_bytes(files if isinstance(files, bytes) else package(files))
    reader = ROOM.profiles[profile] if profile else ROOM.snapshot
    return reader.open(path, limits=SnapshotLimits())


def read(tmp_path: Path, files: dict[str, bytes] | bytes, *, profile: str | None = None):
    """(records by entity and id, refusals, problems, warnings)."""
    snapshot = opened(tmp_path, files, profile=profile)
    records, refused, problems = {}, [], []
    for collection in snapshot.collections:
        for chunk in snapshot.chunks(collection, rows=2):
            rows = snapshot.read(collection, chunk.rows)
            records.update(
                {(collection.entity, r.external_id): orjson.loads(r.body) for r in rows.good}
            )
            refused += [(r.file, r.row, r.reason, r.field) for r in rows.refused]
            problems += [(p.code, p.file, p.row) for p in chunk.problems]
    snapshot.close()
    return records, refused, problems, [(w.code, w.file, w.column) for w in snapshot.warnings]


def refusal(tmp_path: Path, files: dict[str, bytes], *, profile: str | None = None):
    with pytest.raises(SnapshotRefused) as caught:
        opened(tmp_path, files, profile=profile)
    return [(p.code, p.file, p.column) for p in caught.value.problems]


def test_a_package_of_1_0_is_read_by_its_headers_without_a_manifest(tmp_path: Path) -> None:
    records, refused, problems, warnings = read(tmp_path, of_1_0())

    assert (refused, problems, warnings) == ([], [], [("read_as_1_0", None, None)])
    person = records["user", "u1"]
    assert person["enabledUser"] is True
    assert person["userIds"] == [{"type": "userId", "identifier": "lms-7"}]
    assert person["agents"] == [{"sourcedId": "guardian-1", "type": "user"}]
    assert records["class", "c1"]["grades"] == ["9"]
    assert [t["sourcedId"] for t in records["class", "c1"]["terms"]] == ["fall", "spring"]
    assert records["demographics", "u1"] == {
        "sourcedId": "u1", "birthDate": "2009-05-30", "sex": "female", "asian": True,
    }  # fmt: skip


def test_a_session_of_1_0_belongs_to_the_school_year_it_begins_in(tmp_path: Path) -> None:
    records, _, _, _ = read(tmp_path, of_1_0())

    assert records["academicSession", "fall"]["schoolYear"] == "2021"
    assert records["academicSession", "spring"]["schoolYear"] == "2021"


@pytest.mark.parametrize("start", ["soon", "", "9" * 5000 + "-01-01", "٢٠٢٠-01-01"])
def test_a_session_of_1_0_without_a_sensible_start_is_refused_by_field(
    tmp_path: Path, start: str
) -> None:
    rows = csv(SESSIONS_10, ("fall", "", "", "Fall", "semester", start, "2020-12-18", ""))

    _, refused, _, _ = read(tmp_path, of_1_0(academicSessions=rows))

    assert [(file, row, field) for file, row, _, field in refused] == [
        ("academicSessions.csv", 2, "startDate")
    ]


def test_without_a_manifest_a_file_with_statuses_is_no_whole_one(tmp_path: Path) -> None:
    users = csv(USERS_10, person_10("u1"), person_10("u2", status="active"))

    snapshot = opened(tmp_path, of_1_0(users=users))
    snapshot.close()

    modes = {collection.entity: collection.mode for collection in snapshot.collections}
    assert (modes["user"], modes["org"], modes["class"]) == ("delta", "bulk", "bulk")


def test_without_a_manifest_headers_of_1_1_need_a_source_that_says_so(tmp_path: Path) -> None:
    files = {
        "orgs.csv": csv(ORGS, org_row("school-1")),
        "users.csv": csv(USERS, user_row("u1")),
    }

    assert refusal(tmp_path, files) == [("missing_file", "manifest.csv", None)]
    records, refused, _, warnings = read(tmp_path, files, profile="1.1")
    assert (set(records), refused) == ({("org", "school-1"), ("user", "u1")}, [])
    assert warnings == [("read_as_1_1", None, None)]


def test_a_source_bound_to_1_1_does_not_take_columns_of_1_0(tmp_path: Path) -> None:
    assert ("missing_column", "users.csv", "enabledUser") in refusal(
        tmp_path, of_1_0(), profile="1.1"
    )


def test_old_columns_in_a_package_that_says_1_1_are_taken(tmp_path: Path) -> None:
    header = tuple({"agentSourcedIds": "agents", "userIds": "userId"}.get(c, c) for c in USERS)

    records, refused, _, warnings = read(tmp_path, district(users=csv(header, user_row("u1"))))

    assert refused == []
    assert records["user", "u1"]["givenName"] == "Ada"
    assert warnings == [("read_as_1_0", None, None)]


def test_old_columns_elsewhere_do_not_spare_users_the_switch_of_their_accounts(
    tmp_path: Path,
) -> None:
    header = tuple(c for c in USERS if c != "enabledUser")
    old = tuple("grade" if c == "grades" else c for c in CLASSES)
    files = {
        "manifest.csv": manifest("1.1", {"users": "bulk", "classes": "bulk"}),
        "users.csv": csv(header),
        "classes.csv": csv(old),
    }

    assert refusal(tmp_path, files) == [("missing_column", "users.csv", "enabledUser")]


def test_an_old_name_beside_the_official_one_is_no_column_of_ours(tmp_path: Path) -> None:
    header, row = (*CLASSES, "grade"), ("class-1", "", "", "Art", "07", "course-1", "", "", "",
        "school-1", "term-1", "", "", "", "08")  # fmt: skip

    records, _, _, warnings = read(tmp_path, district(classes=csv(header, row)))

    assert records["class", "class-1"]["grades"] == ["07"]
    assert warnings == [("unknown_column", "classes.csv", "grade")]


def test_capitals_and_known_misspellings_are_taken_and_named(tmp_path: Path) -> None:
    users = (
        "SourcedID",
        "enabledUser",
        "username",
        "givenName",
        "familyName",
        "prefferedGivenName",
    )
    roles = ("sourcedId", "dataLastModified", "userSourcedId", "roleType", "role",
             "orgSourcedId", "", "")  # fmt: skip
    stated = {"orgs": "bulk", "users": "bulk", "roles": "bulk"}
    files = {
        "manifest.csv": manifest("1.2", stated),
        "orgs.csv": csv(ORGS, org_row("school-1")),
        "users.csv": csv(users, ("u1", "TRUE", "u1", "Ada", "Byron", "Addy")),
        # Blank names at the end of the header, and no cells under them.
        "roles.csv": csv(roles, ("r1", "2026-01-01", "u1", "primary", "student", "school-1")),
        "userprofiles.csv": b"x",
    }

    records, refused, problems, warnings = read(tmp_path, files)

    assert (refused, problems) == ([], [])
    assert records["user", "u1"]["preferredFirstName"] == "Addy"
    assert warnings == [
        ("unread_file", "userprofiles.csv", None),
        ("misnamed_column", "users.csv", "SourcedID"),
        ("misnamed_column", "users.csv", "prefferedGivenName"),
        ("misnamed_column", "roles.csv", "dataLastModified"),
    ]


def test_two_names_for_one_column_are_refused(tmp_path: Path) -> None:
    header = ("sourcedId", "Name", "NAME", "type")

    assert refusal(tmp_path, {
        "manifest.csv": manifest("1.1", {"orgs": "bulk"}),
        "orgs.csv": csv(header, ("o1", "a", "b", "school")),
    }) == [("repeated_column", "orgs.csv", "name")]  # fmt: skip


def test_blank_cells_behind_the_last_column_say_nothing(tmp_path: Path) -> None:
    users = csv(USERS, user_row("u1"), (*user_row("u2"), "", " "))

    records, refused, problems, _ = read(tmp_path, district(users=users))

    assert (refused, problems) == ([], [])
    assert {("user", "u1"), ("user", "u2")} <= set(records)


def test_a_row_that_ends_early_may_be_cut_off_and_is_refused(tmp_path: Path) -> None:
    users = csv(USERS, user_row("u1"), user_row("u2")[:-1])

    _, _, problems, _ = read(tmp_path, district(users=users))

    assert problems == [("ragged_row", "users.csv", 3)]


def test_a_file_that_is_never_read_may_be_anything(tmp_path: Path) -> None:
    stated = {"orgs": "bulk", "userProfiles": "bulk", "lineItems": "delta"}
    files = {
        "manifest.csv": manifest("1.2", stated),
        "orgs.csv": csv(ORGS, org_row("school-1")),
        "userProfiles.csv": b"\xff\xff",
    }

    records, refused, problems, warnings = read(tmp_path, files)

    assert (set(records), refused, problems, warnings) == ({("org", "school-1")}, [], [], [])


def test_a_word_that_the_manifest_does_not_have_is_named(tmp_path: Path) -> None:
    stated = csv(
        ("propertyName", "value"), ("oneroster.version", "1.1"), ("fiel.demographics", "bulk"),
        ("file.orgs", "bulk"), ("file.users", ""),
    )  # fmt: skip
    files = {"manifest.csv": stated, "orgs.csv": csv(ORGS, org_row("school-1"))}

    _, _, _, warnings = read(tmp_path, files)

    assert warnings == [("unknown_property", "manifest.csv", "fiel.demographics")]


def test_a_password_is_in_no_record(tmp_path: Path) -> None:
    records, _, _, _ = read(tmp_path, district(users=csv(USERS, user_row("u1"))))

    assert "hunter2" in user_row("u1")
    assert b"hunter2" not in orjson.dumps([*records.values()])


def test_a_column_of_passwords_under_another_name_is_left_out_too(tmp_path: Path) -> None:
    users = csv((*USERS, "metadata.Password", "metadata.x"), (*user_row("u1"), "hunter3", "1"))

    records, _, _, warnings = read(tmp_path, district(users=users))

    assert records["user", "u1"]["metadata"] == {"x": "1"}
    assert warnings == [("unknown_column", "users.csv", "metadata.Password")]


def test_small_things_that_exports_write_are_taken(tmp_path: Path) -> None:
    """Day/month/year where we read no date, `[]`, blanks in lists, no line end at the end."""
    row = list(user_row("u1"))
    row[2], row[USERS.index("userIds")] = "15/06/2023", "[]"
    row[USERS.index("grades")] = "09, 10,"
    classes = csv(
        CLASSES,
        ("class-1", "", "2023-05-01 08:01:05", "Art", "", "course-1", "", "Scheduled", "",
         "school-1", "term-1, term-2", "情報, Art", "", "1-2"),
    )  # fmt: skip
    courses = csv(("sourcedId", "status", "dateLastModified", "title")).rstrip()

    records, refused, problems, warnings = read(
        tmp_path, district(users=csv(USERS, row).rstrip(), classes=classes, courses=courses)
    )

    assert (refused, problems, warnings) == ([], [], [])
    assert records["user", "u1"]["grades"] == ["09", "10"]
    assert "userIds" not in records["user", "u1"]
    assert records["class", "class-1"]["subjects"] == ["情報", "Art"]
    assert [t["sourcedId"] for t in records["class", "class-1"]["terms"]] == ["term-1", "term-2"]


def test_a_source_may_be_bound_to_a_profile_of_its_room_alone() -> None:
    assert set(ROOM.profiles) == {"1.0", "1.1", "1.2"}
    assert not KINDS["generic"].profiles
