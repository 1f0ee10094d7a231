"""Columns by any of their names, whatever else a header holds. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sis_ingest.domain.runs import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that we read. Of several columns that fit, the one named first here counts."""

    name: str
    aliases: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where each column stands, by our name; `problems` refuse the file, `warnings` do not."""

    places: Mapping[str, int]
    width: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def read_header(cells: Sequence[str], columns: Sequence[Column], *, file: str, row: int) -> Header:
    """The header's columns. Problems never repeat its words: it may be no header but a person."""
    found = [folded(cell) for cell in cells]
    places: dict[str, int] = {}
    problems: list[Problem] = []
    for column in columns:
        names = (folded(name) for name in (column.name, *column.aliases))
        name = next((name for name in names if name in found), None)
        if name is not None:
            places[column.name] = found.index(name)
            if found.count(name) > 1:
                problems.append(_problem("repeated_column", file, row, column.name))
        elif column.required:
            problems.append(_problem("missing_column", file, row, column.name))
    taken = set(places.values())
    warnings = [
        _problem("unknown_column", file, row, cell.strip()[:100])
        for place, cell in enumerate(cells)
        if place not in taken and cell.strip()
    ]
    return Header(
        places=places, width=len(cells), problems=tuple(problems), warnings=tuple(warnings)
    )


def known_columns(cells: Iterable[str], columns: Iterable[Column]) -> int:
    """How many of the cells name a column."""
    names = {folded(name) for column in columns for name in (column.name, *column.aliases)}
    return sum(folded(cell) in names for cell in cells)


def folded(name: str) -> str:
    """`Employee ID`, `employee_id` and `EmployeeId` are one name."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _problem(code: str, file: str, row: int, column: str) -> Problem:
    return Problem(code=code, file=file, row=row, column=column)
