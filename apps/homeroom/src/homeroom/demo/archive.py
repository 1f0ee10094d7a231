"""A district as a OneRoster 1.2 CSV zip, written as a stream, and the counts of any such zip.

Writing touches one file. Counting reads a zip as an outsider would, whoever made it, and so is
what the demo measures the system against.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from homeroom.demo.district import District
from homeroom.demo.rows import FILES, header

# Every file that a 1.2 manifest must name, whether it is there or not.
ALL_FILES = (
    "academicSessions", "categories", "classes", "classResources", "courses", "courseResources",
    "demographics", "enrollments", "lineItemLearningObjectiveIds", "lineItems",
    "lineItemScoreScales", "orgs", "resources", "resultLearningObjectiveIds", "results",
    "resultScoreScales", "roles", "scoreScales", "userProfiles", "userResources", "users",
)  # fmt: skip

# A fixed moment, so that the same district is the same zip byte for byte.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def write_archive(
    district: District, path: Path, *, on_file: Callable[[str], None] = lambda _file: None
) -> None:
    """Write `district` to `path`, replacing it; memory does not grow with the students."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        _write(archive, "manifest", ("propertyName", "value"), _manifest())
        for file, (_columns, rows) in FILES.items():
            on_file(file)
            _write(archive, file, header(file), rows(district))


def count_rows(path: Path) -> Mapping[str, int]:
    """Return the data rows of every CSV file in the zip, by the file's name without `.csv`."""
    counts: dict[str, int] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith(".csv"):
                continue
            with archive.open(name) as raw:
                text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
                rows = sum(1 for row in csv.reader(text) if row)
            counts[Path(name).stem] = max(0, rows - 1)
    return counts


def student_ids(path: Path) -> list[str]:
    """Return the ids of every student in a 1.1 or 1.2 zip, sorted: one word of a role says it."""
    with zipfile.ZipFile(path) as archive:
        of_roles = "roles.csv" in archive.namelist()
        file, column = ("roles.csv", "userSourcedId") if of_roles else ("users.csv", "sourcedId")
        with archive.open(file) as raw:
            rows = csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
            return sorted({row[column] for row in rows if row["role"] == "student"})


def user_ids(path: Path) -> set[str]:
    """Return the ids of every user in the zip."""
    with zipfile.ZipFile(path) as archive, archive.open("users.csv") as raw:
        rows = csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
        return {row["sourcedId"] for row in rows}


def lacking(whole: Path, path: Path, people: Collection[str]) -> None:
    """Write the zip `whole` to `path` without every row of `people`."""
    with (
        zipfile.ZipFile(whole) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as target,
    ):
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with source.open(name) as raw, target.open(entry, "w") as out:
                rows = csv.reader(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
                text = io.TextIOWrapper(out, encoding="utf-8", newline="")
                csv.writer(text).writerows(_without(name, rows, people))
                text.flush()
                text.detach()


def _without(name: str, rows: Iterator[list[str]], people: Collection[str]) -> Iterator[list[str]]:
    columns = next(rows, [])
    yield columns
    own = name in {"users.csv", "demographics.csv"}
    place = next(
        (i for i, one in enumerate(columns) if one == ("sourcedId" if own else "userSourcedId")),
        None,
    )
    yield from (row for row in rows if place is None or not row or row[place] not in people)


def _manifest() -> Iterable[tuple[str, str]]:
    yield "manifest.version", "1.0"
    yield "oneroster.version", "1.2"
    for file in ALL_FILES:
        yield f"file.{file}", "bulk" if file in FILES else "absent"
    yield "source.systemName", "Homeroom demo district"
    yield "source.systemCode", "homeroom-demo"


def _write(
    archive: zipfile.ZipFile, file: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]
) -> None:
    entry = zipfile.ZipInfo(f"{file}.csv", ZIP_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(entry, "w") as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows(rows)
        text.flush()
        text.detach()
