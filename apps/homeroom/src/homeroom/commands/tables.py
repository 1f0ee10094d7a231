"""How operator commands print: tables of whole words, pages of a list, moments, JSON.

A table is never cut or folded, so that every id can be copied and searched for.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from homeroom.display import Display

GAP = "  "
NOTHING = "-"

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs, and nothing else.")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=500, help="How many to show.")]
# Reports are long: the services give fewer of runs and pulls at once.
RunLimitOption = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many to show.")]
OffsetOption = Annotated[int, typer.Option("--offset", min=0, help="How many to leave out first.")]


def print_table(screen: Display, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns of text; numbers stand right, None is a dash."""
    numbers = [all(map(_is_number, (row[n] for row in rows))) for n in range(len(columns))]
    table = [tuple(columns), *(tuple(map(cell, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        texts = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, numbers, strict=True)
        )
        screen.say(GAP.join(texts).rstrip())


def cell(value: object) -> str:
    """Write one value; what could move a terminal's cursor becomes a question mark."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, Mapping):
        return cell(" ".join(f"{key}={part}" for key, part in value.items()))
    if isinstance(value, list | tuple):
        return cell(" ".join(map(str, value)))
    if _is_number(value):
        return f"{value:,}"
    return "".join(mark if mark.isprintable() else "?" for mark in str(value))


def more(noun: str, *, shown: int, total: int, offset: int) -> str:
    """Say how many of all these are, and how to see the next."""
    end = offset + shown
    rest = f", --offset {end} for more" if shown and end < total else ""
    return f"{shown:,} of {total:,} {noun}{rest}"


def moment(text: str | None) -> str | None:
    """Write a time of a page as UTC with milliseconds."""
    if text is None:
        return None
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}Z"


def print_json(value: Mapping[str, Any]) -> None:
    """Print it for programs, and nothing else."""
    typer.echo(json.dumps(value, indent=2))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
