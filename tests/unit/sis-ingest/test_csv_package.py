"""OneRoster CSV packages: what is refused as a whole, and what rows become."""

import io
import stat
import tracemalloc
import zipfile
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from sis_ingest.ports.snapshots import SnapshotLimits, SnapshotRefused
from sis_ingest.sources import KINDS
from tests.support.ingesting import (
    CLASSES,
    ENROLLMENTS,
    ORGS,
    USERS,
    csv,
    district,
    enrollment_row,
    manifest,
    org_row,
    package,
    user_row,
)

READER = KINDS["oneroster_csv"].snapshot
LIMITS = SnapshotLimits(unpacked_bytes=64 * 1024**2, ratio=50, entries=20)


def opened(tmp_path: Path, body: bytes):
    path = tmp_path / "package.zip"
    path.write_bytes(body)
    return READER.open(path, limits=LIMITS)


def read(tmp_path: Path, body: bytes):
    """(objects by entity, refusals, problems) of a whole package."""
    snapshot = opened(tmp_path, body)
    objects, refused, problems = {}, [], []
    for collection in snapshot.collections:
        for chunk in snapshot.chunks(collection, rows=2):
            rows = snapshot.read(collection, chunk.rows)
            objects.setdefault(collection.entity, []).extend(rows.good)
            refused += [(r.file, r.row, r.reason, r.field) for r in rows.refused]
            problems += [(p.code, p.file, p.row, p.column) for p in chunk.problems]
    snapshot.close()
    return objects, refused, problems


def faults(tmp_path: Path, body: bytes) -> list[tuple]:
    """Why the package is refused, at the door or while reading."""
    try:
        return read(tmp_path, body)[2]
    except SnapshotRefused as refused:
        return [(p.code, p.file, p.row, p.column) for p in refused.problems]


def record(row) -> dict:
    return orjson.loads(row.body)


def test_a_small_district_is_read_whole_in_import_order(tmp_path: Path) -> None:
    snapshot = opened(tmp_path, district())

    assert [c.entity for c in snapshot.collections] == [
        "org", "academicSession", "course", "class", "user", "enrollment",
    ]  # fmt: skip
    assert {c.mode for c in snapshot.collections} == {"bulk"}
    snapshot.close()


def test_a_user_of_1_1_gets_roles_and_loses_the_password(tmp_path: Path) -> None:
    objects, refused, problems = read(tmp_path, district())

    first = objects["user"][0]
    assert (first.external_id, first.deleted, refused, problems) == ("u1", False, [], [])
    assert record(first) == {
        "sourcedId": "u1",
        "enabledUser": True,
        "username": "u1",
        "givenName": "Ada",
        "familyName": "Byron",
        "grades": ["05"],
        "roles": [
            {
                "roleType": "primary",
                "role": "student",
                "org": {"sourcedId": "school-1", "type": "org"},
            }
        ],
    }


def test_enrollments_stand_beside_those_of_the_same_person(tmp_path: Path) -> None:
    objects, _, _ = read(tmp_path, district())

    assert [row.sort_key for row in objects["enrollment"]] == ["u1", "u2"]


def test_capital_values_and_a_date_behind_which_a_time_stands_are_taken(tmp_path: Path) -> None:
    row = list(enrollment_row("e1", "u1"))
    row[7], row[8] = "FALSE", "2026-08-17T00:00:00.000Z"

    objects, refused, _ = read(tmp_path, district(enrolled=[row]))

    assert refused == []
    assert record(objects["enrollment"][0])["beginDate"] == "2026-08-17"
    assert record(objects["enrollment"][0])["primary"] is False
    assert record(objects["class"][0])["classType"] == "scheduled"


def test_status_of_a_bulk_row_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    gone, active = list(user_row("u1")), list(user_row("u2"))
    gone[1], active[1], active[2] = "inactive", "active", "2026-11-21"
    users = b"\xef\xbb\xbf" + csv(USERS, gone, active)

    objects, refused, _ = read(tmp_path, district(users=users))

    assert refused == []
    assert [(r.external_id, r.deleted) for r in objects["user"]] == [("u1", True), ("u2", False)]


def test_an_administrator_of_1_1_becomes_what_the_org_makes_of_them(tmp_path: Path) -> None:
    at_school, at_district = (list(user_row(i, role="administrator")) for i in ("a", "b"))
    at_district[4] = "district-1"

    objects, _, _ = read(tmp_path, district(users=csv(USERS, at_school, at_district)))

    roles = [record(row)["roles"][0]["role"] for row in objects["user"]]
    assert roles == ["siteAdministrator", "districtAdministrator"]


def test_a_class_role_that_only_1_1_has_lives_on_as_an_extension(tmp_path: Path) -> None:
    aide = list(enrollment_row("e1", "u1"))
    aide[6] = "aide"

    objects, refused, _ = read(tmp_path, district(enrolled=[aide]))

    assert refused == []
    assert record(objects["enrollment"][0])["role"] == "ext:aide"


def test_metadata_columns_are_kept_and_others_are_named(tmp_path: Path) -> None:
    orgs = csv((*ORGS, "metadata.kana", "ext_color"), (*org_row("school-1"), "カナ", "red"))
    snapshot = opened(tmp_path, district(orgs=orgs))
    (chunk, *_) = snapshot.chunks(snapshot.collections[0], rows=10)
    rows = snapshot.read(snapshot.collections[0], chunk.rows)
    snapshot.close()

    assert record(rows.good[0])["metadata"] == {"kana": "カナ"}
    assert [(w.code, w.file, w.column) for w in snapshot.warnings] == [
        ("unknown_column", "orgs.csv", "ext_color")
    ]


def test_roles_of_1_2_come_from_their_own_file(tmp_path: Path) -> None:
    names = (
        "sourcedId",
        "enabledUser",
        "username",
        "givenName",
        "familyName",
        "preferredGivenName",
    )
    roles = csv(
        ("sourcedId", "userSourcedId", "roleType", "role", "orgSourcedId", "status"),
        ("r1", "u1", "secondary", "aide", "school-1", ""),
        ("r2", "u1", "primary", "teacher", "school-1", ""),
        ("r3", "u1", "primary", "proctor", "school-1", "tobedeleted"),
    )
    body = package(
        {
            "manifest.csv": manifest("1.2", dict.fromkeys(("orgs", "users", "roles"), "delta")),
            "orgs.csv": csv(ORGS, org_row("school-1")),
            "users.csv": csv(names, ("u1", "true", "t", "Ada", "Byron", "Addy")),
            "roles.csv": roles,
        }
    )

    objects, refused, problems = read(tmp_path, body)

    found = record(objects["user"][0])
    assert (refused, problems) == ([], [])
    assert found["preferredFirstName"] == "Addy"
    assert [(r["roleType"], r["role"]) for r in found["roles"]] == [
        ("primary", "teacher"),
        ("secondary", "aide"),
    ]
    with closing(opened(tmp_path, body)) as snapshot:
        assert {one.entity: one.beside for one in snapshot.collections} == {
            "org": (),
            "user": ("roles.csv",),
        }


def test_roles_of_a_state_wait_on_disk_in_any_order(tmp_path: Path) -> None:
    count = 8_000
    of_role = ("sourcedId", "userSourcedId", "roleType", "role", "orgSourcedId")
    roles = (
        (f"r{n}-{role}", f"u{n}", kind, role, "school-1")
        for role, kind in (("student", "primary"), ("aide", "secondary"))
        for n in reversed(range(count))
    )
    columns = ("sourcedId", "enabledUser", "username", "givenName", "familyName")
    users = ((f"u{n}", "true", f"name-{n}", "Ada", "Byron") for n in range(count))
    stated = dict.fromkeys(("orgs", "users", "roles"), "bulk")
    body = package(
        {
            "manifest.csv": manifest("1.2", stated),
            "orgs.csv": csv(ORGS, org_row("school-1")),
            "users.csv": csv(columns, *users),
            "roles.csv": csv(of_role, *roles),
        }
    )
    path = tmp_path / "package.zip"
    path.write_bytes(body)
    tracemalloc.start()
    snapshot = READER.open(path, limits=LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    people = next(c for c in snapshot.collections if c.entity == "user")
    chunk = next(snapshot.chunks(people, rows=3))
    (first, *_) = snapshot.read(people, chunk.rows).good
    snapshot.close()
    assert [role["role"] for role in record(first)["roles"]] == ["student", "aide"]
    # A role alone takes some hundred bytes, 16,000 of them several megabytes.
    assert peak < 1_500_000


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [
        ("role", "wizard", "roles.0.role"),
        ("enabledUser", "perhaps", "enabledUser"),
        ("enabledUser", "", "enabledUser"),
        ("givenName", "", "givenName"),
        ("orgSourcedIds", "", "roles"),
        ("sourcedId", "", "sourcedId"),
        ("sourcedId", "x" * 256, "sourcedId"),
        ("status", "sleeping", "status"),
        ("familyName", "a\x00b", "familyName"),
    ],
)
def test_a_bad_row_is_left_out_with_its_field_and_those_beside_it_go_on(
    tmp_path: Path, column: str, value: str, field: str
) -> None:
    bad = list(user_row("u1"))
    bad[USERS.index(column)] = value

    objects, refused, problems = read(tmp_path, district(users=csv(USERS, bad, user_row("u2"))))

    assert [row.external_id for row in objects["user"]] == ["u2"]
    assert [(file, row, where) for file, row, _, where in refused] == [("users.csv", 2, field)]
    assert problems == []


@pytest.mark.parametrize("given", ["31/12/2026", "2026-13-01", "2026-02-30", "soon"])
def test_a_bad_date_is_left_out_with_its_field(tmp_path: Path, given: str) -> None:
    bad = list(enrollment_row("e1", "u1"))
    bad[8] = given

    _, refused, _ = read(tmp_path, district(enrolled=[bad, enrollment_row("e2", "u2")]))

    assert [(file, row, where) for file, row, _, where in refused] == [
        ("enrollments.csv", 2, "beginDate")
    ]


@pytest.mark.parametrize("name", ["orgs", "classes", "users", "enrollments"])
def test_a_missing_or_empty_file_is_named(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, district(**{name: None})) == [
        ("missing_file", f"{name}.csv", None, None)
    ]
    assert faults(tmp_path, district(**{name: b""})) == [("empty_file", f"{name}.csv", None, None)]


@pytest.mark.parametrize(
    ("name", "header"),
    [("orgs", ORGS), ("classes", CLASSES), ("users", USERS), ("enrollments", ENROLLMENTS)],
)
def test_a_bulk_file_without_rows_is_no_order_to_remove_everybody(
    tmp_path: Path, name: str, header: tuple[str, ...]
) -> None:
    assert ("empty_collection", f"{name}.csv", None, None) in faults(
        tmp_path, district(**{name: csv(header)})
    )


def test_a_wrong_header_is_named_by_file_and_column(tmp_path: Path) -> None:
    header = tuple("grade" if c == "familyName" else c for c in USERS)

    assert faults(tmp_path, district(users=csv(header, user_row("u1")))) == [
        ("missing_column", "users.csv", 1, "familyName")
    ]


def test_a_ragged_row_is_named_by_file_and_row(tmp_path: Path) -> None:
    users = csv(USERS, user_row("u1"), (*user_row("u2"), "one too many"))

    assert faults(tmp_path, district(users=users)) == [("ragged_row", "users.csv", 3, None)]


def test_bytes_that_are_no_utf_8_are_named_by_file(tmp_path: Path) -> None:
    users = csv(USERS, user_row("u1")) + csv(user_row("u2", given="Zoë")).decode().encode("latin-1")

    ((code, file, _, _),) = faults(tmp_path, district(users=users))

    assert (code, file) == ("not_utf8", "users.csv")


def test_an_open_quote_is_named_by_file(tmp_path: Path) -> None:
    users = csv(USERS, user_row("u1")) + b'"u2,'

    ((_, file, row, _),) = faults(tmp_path, district(users=users))

    assert (file, row) == ("users.csv", 3)


def test_a_package_without_manifest_or_of_another_version_is_refused(tmp_path: Path) -> None:
    assert faults(tmp_path, package({"orgs.csv": csv(ORGS)})) == [
        ("missing_file", "manifest.csv", None, None)
    ]
    assert faults(tmp_path, package({"manifest.csv": manifest("2.0", {})})) == [
        ("unknown_version", "manifest.csv", None, "oneroster.version")
    ]


@pytest.mark.parametrize("body", [b"", b"not a zip at all", b"PK\x03\x04broken"])
def test_what_is_no_zip_is_refused(tmp_path: Path, body: bytes) -> None:
    assert faults(tmp_path, body) == [("not_a_zip", None, None, None)]


@pytest.mark.parametrize("name", ["../orgs.csv", "/etc/orgs.csv", "a/../../orgs.csv", "c:orgs.csv"])
def test_a_path_out_of_the_package_is_refused(tmp_path: Path, name: str) -> None:
    ((code, _, _, _),) = faults(tmp_path, package({name: b"x"}))

    assert code == "path_traversal"


def test_a_file_in_a_folder_is_refused(tmp_path: Path) -> None:
    assert faults(tmp_path, package({"export/orgs.csv": b"x"})) == [
        ("not_flat", "export/orgs.csv", None, None)
    ]


def test_a_file_that_packs_too_well_is_refused_unread(tmp_path: Path) -> None:
    assert faults(tmp_path, package({"orgs.csv": b"0" * 20 * 1024**2})) == [
        ("packed_too_well", "orgs.csv", None, None)
    ]


def test_too_many_files_or_too_many_bytes_are_refused_unread(tmp_path: Path) -> None:
    assert faults(tmp_path, package({f"{n}.csv": b"" for n in range(21)})) == [
        ("too_many_files", None, None, None)
    ]
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("orgs.csv", b"0" * (LIMITS.unpacked_bytes + 1))
    assert faults(tmp_path, stored.getvalue()) == [("too_large_unpacked", None, None, None)]


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("orgs.csv", b"a")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("orgs.csv", b"b")

    assert faults(tmp_path, made.getvalue()) == [("repeated_file", "orgs.csv", None, None)]


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_damaged_package_is_refused_and_never_breaks_the_reader(
    tmp_path: Path, place: float
) -> None:
    body = bytearray(district(users=csv(USERS, *(user_row(f"u{n}") for n in range(500)))))
    at = int(len(body) * place)
    body[at : at + 40] = bytes(40)

    assert faults(tmp_path, bytes(body))


def test_an_unknown_way_of_packing_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("manifest.csv", manifest("1.1", {"orgs": "bulk"}))
    body = bytearray(made.getvalue())
    # The method's number stands in the entry's own header and in the directory.
    body[8] = body[body.index(b"PK\x01\x02") + 10] = 97

    assert faults(tmp_path, bytes(body))


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("orgs.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(link, "/etc/passwd")

    assert faults(tmp_path, made.getvalue()) == [("not_a_file", "orgs.csv", None, None)]


def hashes(tmp_path: Path, body: bytes, entity: str = "user") -> dict[str, bytes]:
    """Hash of each row of a collection, by outside id."""
    snapshot = opened(tmp_path, body)
    (collection,) = (c for c in snapshot.collections if c.entity == entity)
    chunks = list(snapshot.chunks(collection, rows=2))
    snapshot.close()
    return {row.external_id: row.raw_hash for chunk in chunks for row in chunk.rows}


def with_date(row, date: str):
    return (row[0], row[1], date, *row[3:])


def test_rows_keep_their_hash_in_another_order_with_another_date(tmp_path: Path) -> None:
    rows = [user_row("u1"), user_row("u2")]
    later = [with_date(row, "2026-09-02") for row in reversed(rows)]

    assert hashes(tmp_path, district(later)) == hashes(tmp_path, district(rows))


@pytest.mark.parametrize(
    "changed",
    [
        district([user_row("u1", given="Bea"), user_row("u2")]),
        district([user_row("u1", role="teacher"), user_row("u2")]),
        district([(*user_row("u1")[:1], "tobedeleted", *user_row("u1")[2:]), user_row("u2")]),
        # An administrator's role depends on the type of the org.
        district(orgs=csv(ORGS, org_row("school-1", "district"))),
        district(users=csv((*USERS, "metadata.x"), (*user_row("u1"), "1"))),
    ],
    ids=["cell", "role", "status", "org", "column"],
)
def test_whatever_a_record_is_made_of_changes_the_hash_of_its_row(
    tmp_path: Path, changed: bytes
) -> None:
    assert hashes(tmp_path, changed)["u1"] != hashes(tmp_path, district())["u1"]


def test_the_border_between_two_cells_changes_the_hash(tmp_path: Path) -> None:
    row = list(user_row("u1"))
    name = USERS.index("givenName")
    row[name : name + 2] = ["Adab", "yron"]
    other = list(row)
    other[name : name + 2] = ["Ada", "byron"]

    assert hashes(tmp_path, district([row]))["u1"] != hashes(tmp_path, district([other]))["u1"]
