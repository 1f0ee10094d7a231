"""A CSV file on disk, row by row: UTF-8, its delimiter found by its header. Blocking."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeAlias

from sis_ingest.domain.runs import ROWS, Problem
from sis_ingest.ports.snapshots import SnapshotLimits, SnapshotRefused
from sis_ingest.tables.columns import Column, Header, known_columns, read_header

_DELIMITERS: Final = (",", ";", "\t", "|")

# Trimmed cells by our column names; empty cells are left out.
Row: TypeAlias = Mapping[str, str]


class BadTable(Exception):
    """The file stops being a table at `row` (1 is its first line)."""

    def __init__(self, code: str, *, row: int) -> None:
        super().__init__(code)
        self.code = code
        self.row = row


class Line(NamedTuple):
    """One row: its number, the bytes read up to its end, its cells; None for a ragged one."""

    number: int
    read_to: int
    row: Row | None


class Table:
    """The checked file; nothing stays open between reads."""

    def __init__(
        self, path: Path, columns: Sequence[Column], *, file: str, limits: SnapshotLimits
    ) -> None:
        """`file` is its name in reports. Raises `SnapshotRefused` with all that is wrong."""
        self._path = path
        self.size_bytes = path.stat().st_size
        if self.size_bytes > limits.unpacked_bytes:
            raise SnapshotRefused([Problem(code="too_large_unpacked", file=file)])
        try:
            self._delimiter = self._find_delimiter(columns)
            self._header = self._read_header(columns, file)
        except BadTable as error:
            raise SnapshotRefused([Problem(code=error.code, file=file, row=error.row)]) from None
        if self._header.problems:
            raise SnapshotRefused(self._header.problems)

    @property
    def warnings(self) -> Sequence[Problem]:
        """Columns that nobody reads."""
        return self._header.warnings

    def lines(self) -> Iterator[Line]:
        """Every row that is not blank. Raises `BadTable` where the file is no UTF-8 or no CSV."""
        rows = self._rows()
        next(rows, None)
        places, width = self._header.places, self._header.width
        for number, read_to, cells in rows:
            if len(cells) != width:
                yield Line(number, read_to, None)
                continue
            trimmed = {name: cells[place].strip() for name, place in places.items()}
            yield Line(number, read_to, {name: cell for name, cell in trimmed.items() if cell})

    def _rows(self) -> Iterator[tuple[int, int, list[str]]]:
        row = 0
        try:
            with self._path.open("rb") as raw, _text(raw) as text:
                reader = csv.reader(text, strict=True, delimiter=self._delimiter)
                for row, cells in enumerate(reader, start=1):
                    if row >= ROWS:
                        raise BadTable("too_many_rows", row=row)
                    if not _is_utf8(cells):
                        raise BadTable("not_utf8", row=row)
                    if any(cell.strip() for cell in cells):
                        yield row, raw.tell(), cells
        except csv.Error:
            raise BadTable("not_csv", row=row + 1) from None

    def _find_delimiter(self, columns: Sequence[Column]) -> str:
        """The one by which the first line that is not blank names most columns."""
        with self._path.open("rb") as raw, _text(raw) as text:
            line = next((line for line in text if line.strip()), "")
        return max(
            _DELIMITERS,
            key=lambda mark: known_columns(next(csv.reader([line], delimiter=mark), []), columns),
        )

    def _read_header(self, columns: Sequence[Column], file: str) -> Header:
        first = next(self._rows(), None)
        if first is None:
            raise BadTable("empty_file", row=1)
        number, _, cells = first
        return read_header(cells, columns, file=file, row=number)


def _text(raw: BinaryIO) -> io.TextIOWrapper:
    """Wrong bytes are carried on and found in their row: reading is ahead of it by a buffer."""
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _is_utf8(cells: Sequence[str]) -> bool:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True
