"""`sort` and `orderBy`: in which order a collection is given, and where a page of it ended. Pure.

Rows come in the order of (what they are sorted by, sourcedId); rows that lack it come last. Texts
compare by code point. Source: OneRoster 1.2 REST binding, sorting; ADR 0023.
"""

from dataclasses import dataclass
from datetime import datetime

from roster_publisher.domain.access import Grant
from roster_publisher.domain.fields import Field, FindField, find_field


class BadOrder(ValueError):
    """`orderBy` is neither asc nor desc."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """Any order but the default one, which is by `sourcedId` rising."""

    field: Field
    descending: bool

    @property
    def is_indexed(self) -> bool:
        """Whether the store finds the rows in this order, for a grant of the whole district."""
        return self.field.column in {"sourced_id", "stamp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The last row of a page: its id and, of a sorted page, what it was sorted by if it has it."""

    sourced_id: str
    key: str | datetime | None = None


def parse_sort(
    sort: str | None,
    order_by: str | None,
    entity: str,
    grant: Grant,
    find: FindField = find_field,
) -> Sort | None:
    """The order asked for; None is the default order, also for a field unknown to this vendor, as
    the specification wants it. Raises `BadOrder`.
    """
    direction = (order_by or "asc").lower()
    if direction not in {"asc", "desc"}:
        raise BadOrder("orderBy is asc or desc")
    field = find(sort, entity, grant) if sort else None
    descending = direction == "desc"
    if field is None or (field.column == "sourced_id" and not descending):
        return None
    return Sort(field=field, descending=descending)
