"""The `filter` query parameter: its grammar, and which fields of which entity it may name. Pure.

`field` predicate `'value'`, at most two clauses joined by one AND or one OR. Values stay values:
nothing here makes SQL text. Source: OneRoster 1.2 REST binding, filtering; OneRoster 1.1 prose.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

Predicate: TypeAlias = Literal["=", "!=", ">", ">=", "<", "<=", "~"]
Kind: TypeAlias = Literal["text", "texts", "moment"]

_CLAUSE: Final = re.compile(
    r"(?P<field>[A-Za-z][A-Za-z0-9_.]*)\s*(?P<op>!=|>=|<=|=|>|<|~)\s*'(?P<value>(?:[^']|'')*)'"
)
_JOIN: Final = re.compile(r" (AND|OR) ")
_CURLY: Final = "\u2018\u2019\u201c\u201d"
# Nine digits of a second occur; Python reads six.
_LONG_FRACTION: Final = re.compile(r"(\.\d{6})\d+")

_COMMON: Final[Mapping[str, tuple[str, Kind]]] = {
    "sourcedId": ("sourced_id", "text"),
    "status": ("status", "text"),
    "dateLastModified": ("stamp", "moment"),
}
_BY_ENTITY: Final[Mapping[str, Mapping[str, tuple[str, Kind]]]] = {
    "org": {"type": ("kind", "text"), "parent.sourcedId": ("parent_id", "text")},
    "academicSession": {"type": ("kind", "text"), "parent.sourcedId": ("parent_id", "text")},
    "course": {"org.sourcedId": ("school_id", "text")},
    "class": {
        "classType": ("kind", "text"),
        "course.sourcedId": ("course_id", "text"),
        "school.sourcedId": ("school_id", "text"),
        "terms.sourcedId": ("term_ids", "texts"),
    },
    "user": {
        "role": ("roles", "texts"),
        "roles.role": ("roles", "texts"),
        "roles.org.sourcedId": ("scope_ids", "texts"),
    },
    "enrollment": {
        "role": ("kind", "text"),
        "user.sourcedId": ("user_id", "text"),
        "class.sourcedId": ("class_id", "text"),
        "school.sourcedId": ("school_id", "text"),
    },
    "demographics": {},
}


class BadFilter(ValueError):
    """The filter cannot be read; `field` is the field at fault if it is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """`column` is one of ours, never text of the caller; `value` is what it is compared with."""

    column: str
    kind: Kind
    predicate: Predicate
    value: str | datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One or two clauses; `any_of` joins them by OR."""

    clauses: tuple[Clause, ...]
    any_of: bool = False

    @property
    def is_delta(self) -> bool:
        """Whether every row it lets through is bound by its stamp."""
        return not self.any_of and any(clause.kind == "moment" for clause in self.clauses)

    @property
    def since(self) -> datetime | None:
        """The stamp before which it lets nothing through, if there is one."""
        if self.any_of:
            return None
        lowest = [
            clause.value
            for clause in self.clauses
            if isinstance(clause.value, datetime) and clause.predicate in {">", ">=", "="}
        ]
        return max(lowest, default=None)


def parse_filter(text: str, entity: str) -> Filter:
    """Read `text` for `entity`. Raises `BadFilter` saying what is wrong, for a 400."""
    if any(character in text for character in _CURLY):
        raise BadFilter("the filter holds a curly quote; use the straight one: '")
    first = _CLAUSE.match(text.strip())
    if first is None:
        raise BadFilter("the filter is not: field, predicate, 'value'")
    rest = text.strip()[first.end() :]
    if not rest:
        return Filter(clauses=(_clause(first, entity),))
    join = _JOIN.match(rest)
    second = _CLAUSE.fullmatch(rest[join.end() :]) if join else None
    if join is None or second is None:
        raise BadFilter("a filter has at most two clauses, joined by one ' AND ' or ' OR '")
    return Filter(clauses=(_clause(first, entity), _clause(second, entity)), any_of=join[1] == "OR")


def _clause(match: "re.Match[str]", entity: str) -> Clause:
    field = match["field"]
    known = _COMMON.get(field) or _BY_ENTITY[entity].get(field)
    if known is None:
        raise BadFilter(f"cannot filter on {field}", field=field)
    column, kind = known
    value = match["value"].replace("''", "'")
    predicate: Predicate = match["op"]  # type: ignore[assignment]  # the pattern lists them
    if kind == "moment":
        if predicate == "~":
            raise BadFilter(f"~ does not work on the date {field}", field=field)
        return Clause(column=column, kind=kind, predicate=predicate, value=_moment(value, field))
    if kind == "texts" and predicate not in {"=", "!=", "~"}:
        raise BadFilter(f"{predicate} does not work on the list {field}", field=field)
    return Clause(column=column, kind=kind, predicate=predicate, value=value)


def _moment(value: str, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_LONG_FRACTION.sub(r"\1", value))
    except ValueError:
        raise BadFilter(
            f"{field} is compared with something that is no date", field=field
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
