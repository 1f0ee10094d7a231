"""The order of a collection's rows and the condition that a page continues by. Runs nothing.

Pages are found by what the last row was sorted by and its id, never by counting rows, so a later
page costs what the first one costs. Source: ADR 0023.
"""

from dataclasses import dataclass
from typing import Final

from roster_publisher.adapters.postgres.field_sql import sort_key
from roster_publisher.adapters.postgres.stamp_sql import stamp_of
from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.sorting import Place

# Columns in byte order; a grant of schools does not see every school, so that column is not here.
_COLUMNS: Final = {
    "sourced_id": "o.sourced_id",
    "stamp": "o.stamp",
    "status": 'o.status COLLATE "C"',
    "kind": 'o.kind COLLATE "C"',
    "user_id": "o.user_id",
    "class_id": "o.class_id",
    "course_id": "o.course_id",
}
_ALWAYS_THERE: Final = frozenset({"sourced_id", "stamp", "status"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`key` is what rows `o` are sorted by before their ids, None for ids alone; `join` goes behind
    the FROM clause that has `o`.
    """

    key: str | None = None
    join: str = ""
    descending: bool = False
    optional: bool = False

    @property
    def column(self) -> str:
        """What a select adds to its columns."""
        return "" if self.key is None else f", {self.key} AS sort_key"

    def by(self, row: str) -> str:
        """What comes after ORDER BY, of rows `row` that have the column."""
        if self.key is None:
            return f"{row}.sourced_id"
        # Said only where it is needed: no index stands in the order that it would ask for.
        last = " NULLS LAST" if self.optional else ""
        return f"sort_key{' DESC' if self.descending else ''}{last}, {row}.sourced_id"

    def behind(self, place: Place, statement: Statement) -> str:
        """True for rows `o` behind `place`; only for an order that has a key."""
        further = f"o.sourced_id > {statement.bind(place.sourced_id)}"
        if place.key is None:
            return f"({self.key} IS NULL AND {further})"
        at, beyond = statement.bind(place.key), "<" if self.descending else ">"
        # The first half is what an index can be entered by.
        behind = f"({self.key} {beyond}= {at} AND ({self.key} {beyond} {at} OR {further}))"
        return f"({behind} OR {self.key} IS NULL)" if self.optional else behind


def order_of(query: CollectionQuery, statement: Statement) -> Order:
    """The order that the query asks for."""
    if query.sort is None:
        return Order()
    field, descending = query.sort.field, query.sort.descending
    column = _COLUMNS.get(field.column or "")
    if field.column == "stamp":
        column = stamp_of(query.grant, statement)
    if column is not None:
        optional = field.column not in _ALWAYS_THERE
        return Order(key=column, descending=descending, optional=optional)
    # Worked out once a row, however often it is compared.
    key = sort_key(field, query, statement)
    join = f" CROSS JOIN LATERAL (SELECT {key} AS sort_key OFFSET 0) AS s"
    return Order(key="s.sort_key", join=join, descending=descending, optional=True)
