"""A zip from outside, opened with suspicion: flat, plain, of bounded size, really CSV.

Knows nothing of OneRoster. Blocking; runs in a thread.
"""

import csv
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sis_ingest.domain.runs import Problem
from sis_ingest.ports.snapshots import SnapshotLimits, SnapshotRefused

# A short file of equal rows packs better than any bomb: only large ones are judged by ratio.
_SMALL_BYTES: Final = 16 * 1024 * 1024
_ENCRYPTED: Final = 0x1
_PACKINGS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What a spreadsheet's machine leaves beside the files.
_LITTER: Final = ("__MACOSX/", ".DS_Store")


class BadCsv(Exception):
    """The file stops being CSV at `row` (1 is the header)."""

    def __init__(self, code: str, *, row: int) -> None:
        super().__init__(code)
        self.code = code
        self.row = row


class Archive:
    """The checked zip. `close` gives the file back."""

    def __init__(self, path: Path, *, limits: SnapshotLimits) -> None:
        """Raises `SnapshotRefused` naming each entry that is not acceptable."""
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, OSError):
            raise SnapshotRefused([Problem(code="not_a_zip")]) from None
        entries = [e for e in self._zip.infolist() if not e.filename.startswith(_LITTER)]
        problems = _judge(entries, limits)
        if problems:
            self._zip.close()
            raise SnapshotRefused(problems)
        self._entries = {info.filename: info for info in entries}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def names(self) -> Sequence[str]:
        """All entries."""
        return tuple(self._entries)

    def size(self, name: str) -> int:
        """Unpacked bytes of an entry."""
        return self._entries[name].file_size

    def rows(self, name: str) -> Iterator[tuple[int, int, list[str]]]:
        """(row number from 1, bytes read so far, cells) of every line that is not blank.

        Raises `BadCsv` where the file is no UTF-8, no CSV, or damaged.
        """
        row = 0
        try:
            with self._zip.open(name) as raw:
                text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
                for row, cells in enumerate(csv.reader(text, strict=True), start=1):
                    if any(cells):
                        yield row, raw.tell(), cells
        except UnicodeDecodeError:
            raise BadCsv("not_utf8", row=row + 1) from None
        except csv.Error:
            raise BadCsv("not_csv", row=row + 1) from None
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError):
            raise BadCsv("damaged", row=row + 1) from None

    def close(self) -> None:
        """May run twice."""
        self._zip.close()


def _judge(entries: Sequence[zipfile.ZipInfo], limits: SnapshotLimits) -> list[Problem]:
    if len(entries) > limits.entries:
        return [Problem(code="too_many_files")]
    if sum(info.file_size for info in entries) > limits.unpacked_bytes:
        return [Problem(code="too_large_unpacked")]
    problems = []
    seen: set[str] = set()
    for info in entries:
        code = _fault(info, seen, limits)
        if code is not None:
            problems.append(Problem(code=code, file=printable(info.filename)))
        seen.add(info.filename)
    return problems


def _fault(info: zipfile.ZipInfo, seen: set[str], limits: SnapshotLimits) -> str | None:
    name = info.filename
    if name.startswith("/") or "\\" in name or ".." in name.split("/") or ":" in name:
        return "path_traversal"
    if "/" in name:
        return "not_flat"
    if name in seen:
        return "repeated_file"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "not_a_file"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted"
    if info.compress_type not in _PACKINGS:
        return "unknown_packing"
    packed = max(info.compress_size, 1)
    if info.file_size > _SMALL_BYTES and info.file_size / packed > limits.ratio:
        return "packed_too_well"
    return None


def printable(name: str) -> str:
    """A name from outside as a report may show it."""
    return "".join(c if c.isprintable() else "?" for c in name)[:100]
