"""The file of the mass withdrawal: the same district without some students, and nothing else."""

import csv
import io
import zipfile
from pathlib import Path

import pytest

from homeroom.demo.archive import count_rows, lacking, student_ids, user_ids, write_archive
from homeroom.demo.devices import COLUMNS, table
from homeroom.demo.district import District

STUDENTS = 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("district") / "whole.zip"
    write_archive(District(students=STUDENTS, seed=7, school_year=2027), file)
    return file


def test_the_students_lack_everywhere_and_everybody_else_is_as_before(
    whole: Path, tmp_path: Path
) -> None:
    shrunken, lost = tmp_path / "shrunken.zip", set(student_ids(whole)[-10:])

    lacking(whole, shrunken, lost)

    before, after = count_rows(whole), count_rows(shrunken)
    assert user_ids(shrunken) == user_ids(whole) - lost
    assert len(student_ids(shrunken)) == STUDENTS - 10
    assert {name: before[name] - after[name] for name in ("users", "roles", "demographics")} == {
        "users": 10, "roles": 10, "demographics": 10,
    }  # fmt: skip
    assert before["enrollments"] - after["enrollments"] == 10 * 6
    for name in ("orgs", "classes", "courses", "academicSessions", "manifest"):
        assert before[name] == after[name]
    with zipfile.ZipFile(shrunken) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert not any(one in everything for one in lost)


def test_students_are_found_in_a_file_of_the_older_form_too(tmp_path: Path) -> None:
    older = tmp_path / "older.zip"
    with zipfile.ZipFile(older, "w") as archive:
        archive.writestr("users.csv", "sourcedId,role\r\nb,student\r\nt,teacher\r\na,student\r\n")

    assert student_ids(older) == ["a", "b"]


def test_each_holder_has_one_device_with_a_tag_of_its_own() -> None:
    rows = list(csv.DictReader(io.StringIO(table(["p-1", "p-2"], "school-001").decode())))

    assert tuple(rows[0]) == COLUMNS
    assert [row["holder"] for row in rows] == ["p-1", "p-2"]
    assert len({row["assetTag"] for row in rows}) == 2
    assert {row["status"] for row in rows} == {"assigned"}
