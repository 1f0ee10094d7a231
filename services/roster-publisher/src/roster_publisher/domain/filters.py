"""The `filter` query parameter: its grammar. Pure.

`field` predicate `'value'`, several clauses joined by AND or by OR, never by both. Values stay
values: nothing here makes SQL text. Source: OneRoster 1.2 REST binding, filtering; OneRoster 1.1
prose (which stops at two clauses); ADR 0023.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

from roster_publisher.domain.access import Grant
from roster_publisher.domain.fields import LONGEST_NAME, METADATA, Field, FindField, find_field

Predicate: TypeAlias = Literal["=", "!=", ">", ">=", "<", "<=", "~"]

MOST_CLAUSES: Final = 20
# Names of metadata may hold blanks. Nothing here is tried twice, so a long text costs its length.
_CLAUSE: Final = re.compile(
    r"(?P<field>[A-Za-z][^\s=<>!~']*+(?:[ ]++[^\s=<>!~']++)*+)"
    r"\s*+(?P<op>!=|>=|<=|=|>|<|~)\s*+'(?P<value>(?:[^']|'')*+)'"
)
_JOIN: Final = re.compile(r" (AND|OR) ")
_CURLY: Final = "\u2018\u2019\u201c\u201d"
# Nine digits of a second occur; Python reads six.
_LONG_FRACTION: Final = re.compile(r"([.,]\d{6})\d+")
# A plus sign that was not escaped in the address arrives as a blank.
_LOST_PLUS: Final = re.compile(r"(T\S*) (\d\d:?(?:\d\d)?)$")
# A day of the year, and the end of a day, which Python does not read.
_DAY_OF_YEAR: Final = re.compile(r"(\d{4})-?(\d{3})(?=T|$)")
_DAYS_END: Final = re.compile(r"T24(?=(:?00(:?00([.,]0+)?)?)?(Z|[+-]|$))")
_LISTED_COLUMNS: Final = frozenset({"roles", "scope_ids"})


class BadFilter(ValueError):
    """The filter cannot be read; `field` is the field at fault if it is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the word `told` of another wording means here: any of these, or with `others` any that
    is none of them. Compared by = and != alone.
    """

    told: str
    words: tuple[str, ...]
    others: bool = False

    def __str__(self) -> str:
        return self.told


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """`value` is what the field is compared with: a day stays text, YYYY-MM-DD."""

    field: Field
    predicate: Predicate
    value: str | datetime | Words

    @property
    def column(self) -> str | None:
        """The column that answers it, never text of the caller; None if only the text does."""
        column = self.field.column
        if column in _LISTED_COLUMNS and self.predicate not in {"=", "!="}:
            return None
        if column == "roles" and isinstance(self.value, Words) and self.value.others:
            return None
        return None if column == "stamp" and isinstance(self.value, str) else column

    @property
    def is_listed(self) -> bool:
        """Whether `column` holds a list."""
        return self.field.column in _LISTED_COLUMNS

    @property
    def words(self) -> list[str]:
        """What `~` looks for: in a list of ours, any of several words with commas between."""
        text = str(self.value)
        if not self.field.listed or self.field.group == METADATA:
            return [text]
        return [word for word in text.split(",") if word] or [text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One clause or more; `any_of` joins them by OR."""

    clauses: tuple[Clause, ...]
    any_of: bool = False

    @property
    def is_delta(self) -> bool:
        """Whether every row it lets through is bound by its stamp."""
        return not self.any_of and any(isinstance(c.value, datetime) for c in self.clauses)

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


def parse_filter(text: str, entity: str, grant: Grant, find: FindField = find_field) -> Filter:
    """Read `text` for `entity`. Raises `BadFilter` saying what is wrong, for a 400."""
    if "\x00" in text:
        raise BadFilter("the filter holds a character that no text here has")
    whole = text.strip()
    clauses: list[Clause] = []
    joins: set[str] = set()
    at = 0
    while True:
        found = _CLAUSE.match(whole, at)
        if found is None:
            raise BadFilter(_what_is_wrong(whole, at))
        clauses.append(_clause(found, lambda name: find(name, entity, grant)))
        if found.end() == len(whole):
            break
        join = _JOIN.match(whole, found.end())
        if join is None:
            raise BadFilter("clauses are joined by ' AND ' or by ' OR ', with one blank each side")
        joins.add(join[1])
        at = join.end()
    if len(joins) > 1:
        raise BadFilter("a filter joins its clauses by AND or by OR, not by both")
    if len(clauses) > MOST_CLAUSES:
        raise BadFilter(f"a filter has at most {MOST_CLAUSES} clauses")
    return Filter(clauses=tuple(clauses), any_of="OR" in joins)


def _what_is_wrong(text: str, at: int) -> str:
    """Of a clause that cannot be read from `at` on. Word processors bend quotes, names hold bent
    ones: they are wrong only around a value.
    """
    if any(character in text[at:] for character in _CURLY):
        return "the filter holds a curly quote; use the straight one: '"
    return "a clause of the filter is not: field, predicate, 'value'"


def _clause(match: "re.Match[str]", find: Callable[[str], Field | None]) -> Clause:
    name = match["field"]
    field = find(name)
    if field is None:
        raise BadFilter(
            f"cannot filter on {name[:LONGEST_NAME]}: there is no such field, or it has fields of"
            " its own, as org has org.sourcedId",
            field=name,
        )
    value = match["value"].replace("''", "'")
    predicate: Predicate = match["op"]  # type: ignore[assignment]  # the pattern lists them
    compared: str | datetime = value
    if predicate != "~" and field.kind != "text":
        compared = _moment(value, field)
    if field.kind == "day" and isinstance(compared, datetime):
        # A day of a calendar has no zone: the day counts that is written there.
        compared = compared.date().isoformat()
    return Clause(field=field, predicate=predicate, value=compared)


def _moment(value: str, field: Field) -> datetime:
    """For a day as written, else in UTC."""
    text = _LONG_FRACTION.sub(r"\1", _LOST_PLUS.sub(r"\1+\2", value.upper()))
    try:
        moment = _read(text)
        if field.kind == "day":
            return moment
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: the calendar's last hours, in a zone
        raise BadFilter(
            f"{field.name} is compared with something that is no date", field=field.name
        ) from None


def _read(text: str) -> datetime:
    """Any form of ISO 8601 that names a day or a moment. Raises `ValueError` or `OverflowError`."""
    found = _DAY_OF_YEAR.match(text)
    if found is not None:
        day = datetime(int(found[1]), 1, 1, tzinfo=UTC) + timedelta(days=int(found[2]) - 1)
        if day.year != int(found[1]):
            raise ValueError("no day of that year")
        text = f"{day.date().isoformat()}{text[found.end() :]}"
    whole = _DAYS_END.sub("T00", text)
    return datetime.fromisoformat(whole) + timedelta(days=whole != text)
