"""The made-up district: whole, believable, and the same every time."""

import csv
import io
import zipfile
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from homeroom.demo.archive import ALL_FILES, count_rows, write_archive
from homeroom.demo.district import District, school_year_of
from homeroom.demo.schools import pupils_per_grade

STUDENTS = 1_500
Table = list[dict[str, str]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("district") / "district.zip"
    write_archive(District(students=STUDENTS, seed=7, school_year=2027), file)
    return file


@pytest.fixture(scope="module")
def tables(archive: Path) -> dict[str, Table]:
    with zipfile.ZipFile(archive) as entries:
        return {
            name.removesuffix(".csv"): list(
                csv.DictReader(io.StringIO(entries.read(name).decode()))
            )
            for name in entries.namelist()
        }


def test_every_pupil_has_demographics_a_role_and_six_classes(tables: dict[str, Table]) -> None:
    pupils = {row["userSourcedId"] for row in tables["roles"] if row["role"] == "student"}
    seats = Counter(
        row["userSourcedId"] for row in tables["enrollments"] if row["role"] == "student"
    )

    assert len(pupils) == STUDENTS
    assert {row["sourcedId"] for row in tables["demographics"]} == pupils
    assert set(seats) == pupils
    assert set(seats.values()) == {6}


def test_no_id_is_used_twice_in_a_file(tables: dict[str, Table]) -> None:
    for name, rows in tables.items():
        key = "propertyName" if name == "manifest" else "sourcedId"
        times = Counter(row[key] for row in rows)
        assert max(times.values()) == 1, name


@pytest.mark.parametrize(
    ("file", "column", "target"),
    [
        ("orgs", "parentSourcedId", "orgs"),
        ("academicSessions", "parentSourcedId", "academicSessions"),
        ("courses", "schoolYearSourcedId", "academicSessions"),
        ("courses", "orgSourcedId", "orgs"),
        ("classes", "courseSourcedId", "courses"),
        ("classes", "schoolSourcedId", "orgs"),
        ("classes", "termSourcedIds", "academicSessions"),
        ("users", "primaryOrgSourcedId", "orgs"),
        ("roles", "userSourcedId", "users"),
        ("roles", "orgSourcedId", "orgs"),
        ("demographics", "sourcedId", "users"),
        ("enrollments", "userSourcedId", "users"),
        ("enrollments", "classSourcedId", "classes"),
        ("enrollments", "schoolSourcedId", "orgs"),
    ],
)
def test_every_reference_has_its_target(
    tables: dict[str, Table], file: str, column: str, target: str
) -> None:
    there = {row["sourcedId"] for row in tables[target]}
    named = {part for row in tables[file] for part in row[column].split(",") if part}

    assert named <= there
    assert named


def test_pupils_sit_in_classes_of_their_own_school_and_grade(tables: dict[str, Table]) -> None:
    classes = {row["sourcedId"]: row for row in tables["classes"]}
    users = {row["sourcedId"]: row for row in tables["users"]}

    for row in tables["enrollments"]:
        lesson, user = classes[row["classSourcedId"]], users[row["userSourcedId"]]
        assert lesson["schoolSourcedId"] == row["schoolSourcedId"] == user["primaryOrgSourcedId"]
        if row["role"] == "student":
            assert user["grades"] in lesson["grades"].split(",")


def test_nobody_is_in_two_rooms_in_one_period(tables: dict[str, Table]) -> None:
    periods = {row["sourcedId"]: row["periods"] for row in tables["classes"]}
    busy = Counter(
        (row["userSourcedId"], periods[row["classSourcedId"]]) for row in tables["enrollments"]
    )

    assert max(busy.values()) == 1


def test_classes_are_neither_empty_nor_crowded(tables: dict[str, Table]) -> None:
    sizes = Counter(
        row["classSourcedId"] for row in tables["enrollments"] if row["role"] == "student"
    )

    assert set(sizes) == {row["sourcedId"] for row in tables["classes"]}
    assert min(sizes.values()) >= 8
    assert max(sizes.values()) <= 28


def test_pupils_are_as_old_as_their_grade(tables: dict[str, Table]) -> None:
    grades = {row["sourcedId"]: row["grades"] for row in tables["users"]}
    first_day = date(2026, 9, 1)

    for row in tables["demographics"]:
        grade = grades[row["sourcedId"]]
        whole_years = (first_day - date.fromisoformat(row["birthDate"])).days / 365.25
        begun = 5 if grade == "KG" else int(grade) + 5
        assert begun - 0.01 <= whole_years <= begun + 1.01


def test_usernames_are_plain_and_unique(tables: dict[str, Table]) -> None:
    usernames = [row["username"] for row in tables["users"]]

    assert len(set(usernames)) == len(usernames)
    assert all(name.isascii() and name.isalnum() for name in usernames)


def test_bulk_rows_leave_status_and_stamp_blank(tables: dict[str, Table]) -> None:
    for name, rows in tables.items():
        if name != "manifest":
            assert all(row["status"] == row["dateLastModified"] == "" for row in rows), name


def test_the_manifest_names_every_file_of_the_version(tables: dict[str, Table]) -> None:
    said = {row["propertyName"]: row["value"] for row in tables["manifest"]}

    assert said["oneroster.version"] == "1.2"
    for file in ALL_FILES:
        assert said[f"file.{file}"] == ("bulk" if file in tables else "absent")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_people(tmp_path: Path) -> None:
    def written(seed: int) -> bytes:
        file = tmp_path / f"{seed}.zip"
        write_archive(District(students=60, seed=seed, school_year=2027), file)
        return file.read_bytes()

    assert written(1) == written(1)
    assert written(1) != written(2)


@pytest.mark.parametrize("students", [26, 120, 999, 4_321])
def test_any_size_gives_exactly_that_many_pupils(students: int, tmp_path: Path) -> None:
    file = tmp_path / "district.zip"
    write_archive(District(students=students, seed=1, school_year=2027), file)

    counts = count_rows(file)

    assert counts["demographics"] == students
    assert counts["users"] == counts["roles"]
    assert sum(pupils_per_grade(students).values()) == students


def test_counts_are_those_of_rows_not_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "others.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("orgs.csv", '\ufeffsourcedId,name\r\n1,"two\r\nlines"\r\n2,plain\r\n\r\n')
        archive.writestr("users.csv", "sourcedId")
        archive.writestr("readme.txt", "not counted")

    assert count_rows(file) == {"orgs": 2, "users": 0}


@pytest.mark.parametrize(
    ("today", "year"),
    [(date(2026, 7, 31), 2026), (date(2026, 8, 1), 2027), (date(2027, 1, 15), 2027)],
)
def test_the_school_year_turns_in_august_and_is_named_by_its_end(today: date, year: int) -> None:
    assert school_year_of(today) == year

    district = District(students=26, seed=1, school_year=year)
    assert district.begins <= today < district.ends
