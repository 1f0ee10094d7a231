"""What a vendor asks for and what a page is. Pure.

Source: OneRoster 1.2 REST binding, pagination; blueprint, invariant 6 (pulls).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import Collection
from roster_publisher.domain.filters import Filter
from roster_publisher.domain.sorting import Place, Sort

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 50_000
MAX_OFFSET: Final = 2**31 - 1
_MOST_DIGITS: Final = len(str(MAX_OFFSET))


class BadPaging(ValueError):
    """`limit` or `offset` is no number the specification or we allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An object that a sub-collection is of; `kind` is the core collection in which it must be."""

    kind: str
    sourced_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionQuery:
    """A collection as one grant sees it, filtered and sorted. Hashable: counts are cached by it.

    `parents` are as many as the collection's path names, in its order. `touched_since` narrows it
    to what points at something that ended since then, or came back.
    """

    grant: Grant
    collection: Collection
    filter: Filter | None = None
    sort: Sort | None = None
    parents: tuple[Parent, ...] = ()
    touched_since: datetime | None = None

    @property
    def is_scoped(self) -> bool:
        """Whether scopes decide what is seen; academic sessions are in everybody's view."""
        return not self.grant.is_whole and self.collection.entity != "academicSession"

    @property
    def is_by_stamp(self) -> bool:
        """Whether an index on stamps serves it."""
        sorted_by = self.sort.field.column if self.sort is not None else None
        return sorted_by == "stamp" or (self.filter is not None and self.filter.is_delta)

    @property
    def unindexed(self) -> tuple[str, ...]:
        """Names of fields, as asked, for which every row must be looked at: these cost the most."""
        filtered = self.filter.clauses if self.filter is not None else ()
        names = [clause.field.name for clause in filtered if clause.column is None]
        if self.sort is not None and (self.is_scoped or not self.sort.is_indexed):
            names.append(self.sort.field.name)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows of one revision: `body` is UTF-8, `rows` objects joined by commas; `last` their last."""

    revision: int
    body: bytes
    rows: int
    last: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """An open pull: every offset of its query is served at `revision`."""

    revision: int
    total: int
    expires_at: datetime


def paging(limit: str | None, offset: str | None) -> tuple[int, int]:
    """(limit, offset) as asked. Raises `BadPaging`; never clamps, because clamping loses rows."""
    return (
        _whole(limit, "limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT),
        _whole(offset, "offset", default=0, lowest=0, highest=MAX_OFFSET),
    )


def link_header(
    url: str, params: Mapping[str, list[str]], *, limit: int, offset: int, total: int
) -> str:
    """RFC 8288 links first, prev, next and last around a page; all other parameters are kept."""
    last = max(0, (total - 1) // limit * limit) if total else 0
    # An offset that is no multiple of the limit keeps its own rhythm to the end.
    last += offset % limit if last + offset % limit < total else 0
    places = [("first", 0)]
    if offset > 0:
        places.append(("prev", max(0, offset - limit)))
    if offset + limit < total:
        places.append(("next", offset + limit))
    places.append(("last", last))
    rest = {name: values for name, values in params.items() if name not in {"limit", "offset"}}
    kept = urlencode(rest, doseq=True)
    page = f"{url}?{kept}&limit={limit}" if kept else f"{url}?limit={limit}"
    return ", ".join(f'<{page}&offset={place}>; rel="{rel}"' for rel, place in places)


def _whole(text: str | None, name: str, *, default: int, lowest: int, highest: int) -> int:
    if text is None:
        return default
    short = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not short or not lowest <= int(text) <= highest:
        raise BadPaging(f"{name} must be a whole number from {lowest} to {highest}")
    return int(text)
