"""What a request asks of a collection: limit, offset, filter, fields.

Filter grammar of OneRoster: clauses `field predicate 'value'`, joined by ` AND ` or by ` OR `.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from starlette.datastructures import QueryParams

_CLAUSE = re.compile(r"(?P<field>[\w.]+)\s*(?P<op>!=|>=|<=|=|>|<|~)\s*'(?P<value>(?:[^']|'')*)'")
_DATES = {"dateLastModified"}
T = TypeVar("T", str, datetime)


class BadQuery(ValueError):
    """A request that cannot be served; `code` is OneRoster's code minor."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One comparison."""

    field: str
    op: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A page of what fits the clauses: all of them, or any one of them."""

    limit: int
    offset: int
    clauses: tuple[Clause, ...] = ()
    any_of: bool = False
    fields: tuple[str, ...] = ()

    def fits(self, value_of: Callable[[str], object]) -> bool:
        """Whether a record with these values belongs to the answer."""
        if not self.clauses:
            return True
        verdicts = (_holds(clause, value_of(clause.field)) for clause in self.clauses)
        return any(verdicts) if self.any_of else all(verdicts)


def read(params: QueryParams, *, most: int) -> Query:
    """The query of a request; `most` is the largest limit, 0 for any. Raises `BadQuery`."""
    limit = _whole(params, "limit", 100, least=1)
    if most and limit > most:
        raise BadQuery("invaliddata", f"limit is more than {most}")
    told = params.get("filter", "")
    any_of = " OR " in told
    if any_of and " AND " in told:
        raise BadQuery("invalid_filter_field", "AND and OR do not mix")
    parts = re.split(r" AND | OR ", told) if told else []
    return Query(
        limit=limit,
        offset=_whole(params, "offset", 0, least=0),
        clauses=tuple(_clause(part) for part in parts),
        any_of=any_of,
        fields=tuple(name for each in params.getlist("fields") for name in each.split(",") if name),
    )


def value_at(body: Mapping[str, object], path: str) -> object:
    """The value of a dotted path; a list of values where it runs through a list."""
    found: object = body
    for name in path.split("."):
        if isinstance(found, list):
            found = [one.get(name) for one in found if isinstance(one, Mapping)]
        elif isinstance(found, Mapping):
            found = found.get(name)
        else:
            return None
    return found


def _whole(params: QueryParams, name: str, default: int, *, least: int) -> int:
    told = params.get(name)
    if told is None:
        return default
    if not told.isdecimal() or int(told) < least:
        raise BadQuery("invaliddata", f"{name} is no whole number from {least} on")
    return int(told)


def _clause(text: str) -> Clause:
    found = _CLAUSE.fullmatch(text.strip())
    if found is None:
        raise BadQuery("invalid_filter_field", "a clause is field, predicate, 'value'")
    field, value = found["field"], found["value"].replace("''", "'")
    if field in _DATES:
        _moment(value)
    return Clause(field=field, op=found["op"], value=value)


def _holds(clause: Clause, found: object) -> bool:
    if isinstance(found, list):
        return any(_holds(clause, one) for one in found)
    if clause.field in _DATES:
        return _compare(clause.op, _moment(str(found)), _moment(clause.value))
    if clause.op == "~":
        return clause.value.lower() in str(found or "").lower()
    return _compare(clause.op, str(found or "").strip(), clause.value)


def _compare(op: str, left: T, right: T) -> bool:
    match op:
        case "=":
            return left == right
        case "!=":
            return left != right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case "<":
            return left < right
        case _:
            return left <= right


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadQuery("invalid_filter_field", "dateLastModified is no date") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
