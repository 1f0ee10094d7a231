"""Other files of one district: the same rows shuffled, and one with a share of its users renamed.

Whoever exports a roster again gives no promise on the order of its rows or the bytes of its zip.
"""

import csv
import io
import random
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Rows = list[list[str]]
SEED = 7


def shuffled(source: Path, target: Path) -> None:
    """The same rows in another order."""
    shake = random.Random(SEED)

    def change(_name: str, _header: Sequence[str], rows: Rows) -> None:
        shake.shuffle(rows)

    _rewrite(source, target, change)


def renamed(source: Path, target: Path, *, share: float, mark: str) -> int:
    """Every so many users with another family name; returns how many."""
    every, count = round(1 / share), 0

    def change(name: str, header: Sequence[str], rows: Rows) -> None:
        nonlocal count
        if name != "users.csv":
            return
        column = header.index("familyName")
        for row in rows[::every]:
            row[column] = f"{mark}-{count}"
            count += 1

    _rewrite(source, target, change)
    return count


def user_rows(source: Path) -> list[Mapping[str, str]]:
    """The users of a file, by column."""
    with zipfile.ZipFile(source) as archive:
        return list(csv.DictReader(io.StringIO(archive.read("users.csv").decode("utf-8-sig"))))


def _rewrite(
    source: Path, target: Path, change: Callable[[str, Sequence[str], Rows], None]
) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            header, *rows = csv.reader(io.StringIO(old.read(name).decode("utf-8-sig")))
            if name != "manifest.csv":
                change(name, header, rows)
            text = io.StringIO()
            csv.writer(text).writerows([header, *rows])
            new.writestr(name, text.getvalue())
