"""From figures to results: medians, ratios, marks and the distance to them.

The mark is a wish with a source, never a verdict: `distance` is signed, and a missed mark is
shown like any other.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.bench.measuring import median
from tests.bench.rows import ROWS, Row

MARKS = Path(__file__).with_name("marks.toml")

Kind = Literal["at_least", "at_most", "ratio_at_least"]
KINDS: tuple[Kind, ...] = ("at_least", "at_most", "ratio_at_least")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One committed mark."""

    kind: Kind
    wanted: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row as measured; `distance` is a share of the mark, negative where it is missed."""

    row: Row
    rounds: Sequence[float]
    beside_rounds: Sequence[float]
    figure: float
    beside: float | None
    ratio: float | None
    mark: Mark | None
    distance: float | None


def results(figures: Mapping[str, Sequence[float]]) -> list[Result]:
    """The rows that were measured, in the order of the table."""
    marks = read_marks()
    return [_result(row, figures, marks.get(row.key)) for row in ROWS if row.key in figures]


def read_marks(path: Path = MARKS) -> dict[str, Mark]:
    """The committed marks by row. Raises `ValueError` naming a row that is not in the table."""
    document = tomllib.loads(path.read_text("utf-8"))
    strangers = document.keys() - {row.key for row in ROWS}
    if strangers:
        raise ValueError(f"marks for rows that nothing measures: {sorted(strangers)}")
    return {key: _mark(key, table) for key, table in document.items()}


def _mark(key: str, table: Mapping[str, Any]) -> Mark:
    found = [kind for kind in KINDS if kind in table]
    if len(found) != 1:
        raise ValueError(f"the mark of {key} needs exactly one of {KINDS}")
    return Mark(kind=found[0], wanted=float(table[found[0]]), why=table["why"])


def _result(row: Row, figures: Mapping[str, Sequence[float]], mark: Mark | None) -> Result:
    rounds = figures[row.key]
    figure = median(rounds)
    beside_rounds = figures.get(row.beside, []) if row.beside is not None else []
    beside = median(beside_rounds) if beside_rounds else None
    ratio = None if beside is None else figure / beside
    return Result(
        row=row,
        rounds=rounds,
        beside_rounds=beside_rounds,
        figure=figure,
        beside=beside,
        ratio=ratio,
        mark=mark,
        distance=None if mark is None else _distance(mark, figure, ratio),
    )


def _distance(mark: Mark, figure: float, ratio: float | None) -> float | None:
    match mark.kind:
        case "at_least":
            return figure / mark.wanted - 1
        case "at_most":
            return 1 - figure / mark.wanted
        case "ratio_at_least":
            return None if ratio is None else ratio / mark.wanted - 1
