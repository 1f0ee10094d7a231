"""Filter and order as ADR 0023 words them, worked out on plain bodies. Knows nothing of tables.

A body is what the vendor is sent without any filter; whatever a filter lets through, or an order
is made of, can only be what stands there.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

Row = dict[str, Any]
Clause = tuple[str, str, str]

_DAYS = {"startDate", "endDate", "beginDate", "birthDate"}
_LISTED = {"roles", "userIds", "agents", "children", "terms", "grades", "subjects", "periods"}


def values(row: Row, name: str) -> list[Any]:
    """Every value of the field in the body; lists are opened, nulls and objects are no values."""
    names = name.split(".")
    found = _walk([row], names)
    if names[0] == "metadata" and len(names) > 2:
        found += _walk([row], ["metadata", ".".join(names[1:])])
    return [one for one in found if isinstance(one, (str, int, float, bool))]


def _walk(at: list[Any], names: list[str]) -> list[Any]:
    for name in names:
        opened = [item for one in at for item in (one if isinstance(one, list) else [one])]
        at = [one[name] for one in opened if isinstance(one, dict) and name in one]
    return [item for one in at for item in (one if isinstance(one, list) else [one])]


def text(value: Any) -> str:
    """A value as it is sent."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def is_let_through(row: Row, clauses: Sequence[Clause], *, any_of: bool) -> bool:
    """What the whole filter says of a row."""
    told = [_holds(row, *clause) for clause in clauses]
    return any(told) if any_of else all(told)


def in_order(rows: Sequence[Row], name: str | None, *, descending: bool) -> list[Row]:
    """The rows sorted by a field, ties and what lacks it by id, which comes last."""
    rows = sorted(rows, key=lambda row: row["sourcedId"])
    if name is None:
        return rows
    keys = {
        row["sourcedId"]: min((text(one) for one in values(row, name)), default=None)
        for row in rows
    }
    told = sorted({key for key in keys.values() if key is not None}, reverse=descending)
    return [row for key in [*told, None] for row in rows if keys[row["sourcedId"]] == key]


def _holds(row: Row, name: str, predicate: str, wanted: str) -> bool:
    found = values(row, name)
    if predicate == "!=":
        return not any(_compares(one, name, "=", wanted) for one in found)
    return any(_compares(one, name, predicate, wanted) for one in found)


def _compares(value: Any, name: str, predicate: str, wanted: str) -> bool:
    if predicate == "~":
        words = [wanted]
        if name.split(".", maxsplit=1)[0] in _LISTED:
            words = [word for word in wanted.split(",") if word] or [wanted]
        return any(word.lower() in text(value).lower() for word in words)
    left: Any
    right: Any
    if name == "dateLastModified":
        left, right = datetime.fromisoformat(value), _moment(wanted)
    elif name.rsplit(".", maxsplit=1)[-1] in _DAYS:
        left, right = value, wanted[:10]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            left, right = Decimal(text(value)), Decimal(wanted)
        except InvalidOperation:
            return False
    else:
        left, right = text(value), wanted
    return bool(
        {
            "=": left == right,
            ">": left > right,
            ">=": left >= right,
            "<": left < right,
            "<=": left <= right,
        }[predicate]
    )


def _moment(wanted: str) -> datetime:
    moment = datetime.fromisoformat(wanted)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
