"""A staff file as HR systems export it: its columns, jobs, sites, and what is refused."""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sis_ingest.ports.snapshots import SnapshotLimits, SnapshotRefused
from sis_ingest.sources.staff_csv.columns import COLUMNS
from sis_ingest.sources.staff_csv.spec import SPEC
from sis_ingest.sources.staff_csv.titles import ROLES, role_of
from sis_ingest.tables.columns import folded
from tests.support.tables import ReadTable, written

Rows = Sequence[Mapping[str, str]]


def person(number: str = "1001", **more: str) -> dict[str, str]:
    return {
        "employeeId": number, "givenName": "Ada", "familyName": "Byron", "siteCode": "12",
        "jobTitle": "Teacher", **more,
    }  # fmt: skip


def read(tmp_path: Path, content: bytes, **how: Any) -> ReadTable:
    path = tmp_path / "file.raw"
    path.write_bytes(content)
    return ReadTable(SPEC.snapshot, path, **how)


def problems(tmp_path: Path, content: bytes) -> list[tuple[str, str | None, int | None]]:
    path = tmp_path / "file.raw"
    path.write_bytes(content)
    with pytest.raises(SnapshotRefused) as refused:
        SPEC.snapshot.open(path, limits=SnapshotLimits())
    return [(p.code, p.column, p.row) for p in refused.value.problems]


def test_a_row_is_a_person_at_a_site(tmp_path: Path) -> None:
    told = read(
        tmp_path,
        written(
            [
                person(
                    email="ada@example.org", middleName="K", hireDate="8/17/2020",
                    terminationDate="2027-06-30", managerId="7", siteName="Oak", stateId="S1",
                )
            ]
        ),
    )  # fmt: skip

    assert told.records == {
        ("org", "site-12"): {
            "sourcedId": "site-12", "name": "Oak", "type": "school", "identifier": "12",
        },
        ("user", "staff-1001"): {
            "sourcedId": "staff-1001", "enabledUser": True, "identifier": "1001",
            "userMasterIdentifier": "S1", "givenName": "Ada", "familyName": "Byron",
            "middleName": "K", "email": "ada@example.org",
            "metadata": {"jobTitle": "Teacher", "managerId": "7"},
            "primaryOrg": {"sourcedId": "site-12", "type": "org"},
            "roles": [
                {
                    "roleType": "primary", "role": "teacher",
                    "org": {"sourcedId": "site-12", "type": "org"},
                    "beginDate": "2020-08-17", "endDate": "2027-07-01",
                }
            ],
        },
    }  # fmt: skip
    assert (told.refused, told.warnings, told.gone) == ([], [], set())


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("Employee ID,First Name,Last Name,Location Code,Job Title", ","),
        ("EMPLOYEE_NUMBER;FIRST;LAST;SITE;POSITION", ";"),
        ("Emp No\tLegal First Name\tSurname\tWork Location\tTitle", "\t"),
        ("\ufeffStaff ID|FName|LName|Cost Center|Job Class", "|"),
    ],
)
def test_systems_name_their_columns_as_they_like(
    tmp_path: Path, header: str, delimiter: str
) -> None:
    content = f"{header}\r\n{delimiter.join(('1001', ' Ada ', 'Byron', '12', 'Teacher'))}\r\n\r\n"

    told = read(tmp_path, content.encode())

    assert told.records["user", "staff-1001"]["givenName"] == "Ada"
    assert told.records["user", "staff-1001"]["roles"][0]["role"] == "teacher"
    assert told.warnings == []


def test_no_name_of_a_column_means_two_columns() -> None:
    names = Counter(folded(name) for column in COLUMNS for name in (column.name, *column.aliases))

    assert [name for name, times in names.items() if times > 1] == []


def test_of_two_columns_that_fit_the_better_one_counts(tmp_path: Path) -> None:
    told = read(tmp_path, written([person(**{"Email": "no", "Work Email": "maybe", "Pay": "1"})]))

    assert told.records["user", "staff-1001"]["email"] == "no"
    assert told.warnings == [("unknown_column", "Work Email"), ("unknown_column", "Pay")]


def test_several_jobs_are_one_person(tmp_path: Path) -> None:
    rows = [
        person(siteCode="12", jobTitle="Teacher"),
        person("1002", siteCode="12"),
        person(siteCode="12", jobTitle="Paraprofessional"),
        person(siteCode="30", jobTitle="Principal"),
        person(siteCode="12", jobTitle="Teacher"),
        person(siteCode="40", jobTitle="Proctor", status="Terminated"),
    ]

    told = read(tmp_path, written(rows), chunk=1)

    roles = [
        (role["roleType"], role["role"], role["org"]["sourcedId"])
        for role in told.records["user", "staff-1001"]["roles"]
    ]
    assert roles == [
        ("primary", "teacher", "site-12"),
        ("primary", "principal", "site-30"),
        ("secondary", "aide", "site-12"),
    ]
    assert {key for key in told.records if key[0] == "org"} == {
        ("org", "site-12"), ("org", "site-30"), ("org", "site-40"),
    }  # fmt: skip


@pytest.mark.parametrize("status", ["", "Terminated"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_number_beside_two_names_is_refused_and_nobody_gets_the_others_job(
    tmp_path: Path, status: str, turned: bool
) -> None:
    rows = [
        person(jobTitle="Custodian"),
        person(givenName="Zoe", familyName="Other", jobTitle="Principal", status=status),
        person("1002"),
    ]

    told = read(tmp_path, written(rows[::-1] if turned else rows))

    assert ("user", "staff-1001") not in told.records
    assert told.refused == [("names_differ", "familyName", 1, 3 if turned else 2)]
    assert ("user", "staff-1002") in told.records


def test_two_spellings_of_a_name_are_one_person(tmp_path: Path) -> None:
    rows = [person(), person(familyName="Byron-Lovelace", siteCode="30"), person(givenName="A.")]

    assert len(read(tmp_path, written(rows)).records["user", "staff-1001"]["roles"]) == 2


def test_who_has_no_job_left_is_gone(tmp_path: Path) -> None:
    rows = [
        person("1", status="Terminated"),
        person("1", status="Retired", siteCode="30"),
        person("2", status="On Leave"),
        person("3", status="Active", terminationDate="12/31/9999"),
    ]

    told = read(tmp_path, written(rows))

    assert told.gone == {("user", "staff-1")}
    assert len(told.records["user", "staff-1"]["roles"]) == 2
    assert "endDate" not in told.records["user", "staff-3"]["roles"][0]


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"employeeId": " "}, "missing", "employeeId"),
        ({"givenName": ""}, "missing", "givenName"),
        ({"familyName": ""}, "missing", "familyName"),
        ({"siteCode": ""}, "missing", "siteCode"),
        ({"status": "Zaphod"}, "unknown_status", "status"),
        ({"role": "student"}, "unknown_role", "role"),
        ({"siteCode": "13", "siteType": "castle"}, "unknown_site_type", "siteType"),
        ({"role": "Zaphod"}, "unknown_role", "role"),
        ({"hireDate": "8/17/20"}, "not_a_date", "hireDate"),
        ({"hireDate": "2026-02-30"}, "not_a_date", "hireDate"),
        ({"terminationDate": "soon"}, "not_a_date", "terminationDate"),
        ({"givenName": "Zap\x00hod"}, "string_pattern_mismatch", "givenName"),
    ],
)
def test_a_bad_row_is_refused_by_its_column_and_the_others_are_kept(
    tmp_path: Path, change: dict[str, str], reason: str, field: str
) -> None:
    told = read(tmp_path, written([person("1"), person("2") | change, person("3")]))

    assert told.refused == [(reason, field, 1, 3)]
    assert {("user", "staff-1"), ("user", "staff-3"), ("org", "site-12")} <= told.records.keys()


def test_a_row_of_another_width_is_refused_and_nobody_can_tell_whose_it_was(
    tmp_path: Path,
) -> None:
    content = written([person("1"), person("2")]) + b"3,Ada,Byron\r\n"

    told = read(tmp_path, content)

    assert told.refused == [("ragged_row", "employeeId", 1, 4)]


def test_a_file_without_its_columns_is_refused_and_its_words_are_not_repeated(
    tmp_path: Path,
) -> None:
    assert problems(tmp_path, b"1001,Zaphod,Byron,12\r\n") == [
        ("missing_column", name, 1)
        for name in ("employeeId", "givenName", "familyName", "siteCode")
    ]
    assert problems(tmp_path, b"Employee ID,First Name,Last Name,last name,Site\r\n") == [
        ("repeated_column", "familyName", 1)
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty_file"), (b"\r\n \r\n", "empty_file"), (b"\xff\xfe", "not_utf8")],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    ((found, _, _),) = problems(tmp_path, content)

    assert found == code


def test_a_file_that_breaks_off_is_refused_with_its_row(tmp_path: Path) -> None:
    good = written([person("1")])

    assert ("not_utf8", 3) in read(tmp_path, good + b"2,\xe9,B,12,T\r\n" * 2).problems
    assert ("not_csv", 3) in read(tmp_path, good + b'2,"Ada,Byron,12,Teacher\r\n').problems
    assert read(tmp_path, good.splitlines()[0]).problems == [("empty_collection", None)]


def test_all_bytes_are_told_as_progress(tmp_path: Path) -> None:
    told = read(tmp_path, written([person(str(n), siteCode=str(n)) for n in range(50)]), chunk=7)

    assert told.bytes_read == told.unpacked_bytes


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("Teacher", "teacher"),
        ("TCHR ELEM GR 3", "teacher"),
        ("Special Education Teacher", "teacher"),
        ("Teacher's Aide", "aide"),
        ("Teaching Assistant", "aide"),
        ("Assistant Teacher", "aide"),
        ("Para-Professional", "aide"),
        ("Paraprofessional II", "aide"),
        ("School Counselor", "counselor"),
        ("Principal", "principal"),
        ("Assistant Principal", "siteAdministrator"),
        ("Secretary to the Principal", "ext:staff"),
        ("Administrative Assistant", "ext:staff"),
        ("Superintendent of Schools", "districtAdministrator"),
        ("Office of the Superintendent, Clerk", "ext:staff"),
        ("Database Administrator", "ext:staff"),
        ("Director of Nutrition", "ext:staff"),
        ("Custodian", "ext:staff"),
        ("", "ext:staff"),
    ],
)
def test_a_title_gives_a_role_only_where_it_is_plain(title: str, role: str) -> None:
    assert role_of(title) == role


@given(st.text(max_size=40))
def test_every_title_gives_a_role_of_staff(title: str) -> None:
    assert role_of(title) in ROLES


@given(st.lists(st.sampled_from(["1", "2", "3"]), max_size=8), st.randoms(), st.integers(1, 4))
def test_the_order_of_rows_and_chunks_changes_who_is_there_never(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[str], random: Any, chunk: int
) -> None:
    rows = [person(n, siteCode=str(place % 3)) for place, n in enumerate(numbers, 1)]
    shuffled = list(rows)
    random.shuffle(shuffled)
    folder = tmp_path_factory.mktemp("staff")

    one = read(folder, written([person("9"), *rows]))
    other = read(folder, written([person("9"), *shuffled]), chunk=chunk)

    assert one.records.keys() == other.records.keys()
    assert all(len(one.records[k].get("roles", ())) == len(other.records[k].get("roles", ()))
               for k in one.records)  # fmt: skip


HEAD = b"Employee ID,First Name,Last Name,Site,Status,Hire Date\r\n"


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_break_the_reader(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, headed: bool
) -> None:
    with contextlib.suppress(SnapshotRefused):
        read(tmp_path_factory.mktemp("staff"), HEAD + content if headed else content)
