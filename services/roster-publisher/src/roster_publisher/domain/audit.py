"""What is kept of every pull: who asked for what, and how much went out. Pure.

Of a query the names of fields and the predicates are kept, and of values only ids, kinds and
times: what is compared with a name, a birth date or an identifier never stands here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from roster_publisher.domain.fields import METADATA
from roster_publisher.domain.filters import Clause, Filter, Words
from roster_publisher.domain.records import Entity
from roster_publisher.domain.sorting import Sort

Door: TypeAlias = Literal[
    "oneroster12", "oneroster11", "changes", "webhook", "export", "token", "preview", "admin"
]
"""Where the vendor asked, or was told; `preview` and `admin` are operators' doors."""

# What an id of ours looks like, and no address and no full name.
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_OPEN_FIELDS: Final = frozenset({"status", "dateLastModified", "type", "role", "roles.role"})
_ID_FIELD: Final = "sourcedId"
_HIDDEN: Final = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One pull, call, token or change.

    `what` is a path with the ids that were found, or what was done; `detail` is the query without
    values of people, or a code. `entities` went out. `rows` is what the page held: a reader who
    hung up may have got fewer. `status` is HTTP's, None where nobody answered. `by` is the operator
    who asked, None for the vendor itself.
    """

    district_id: str
    client_id: str
    at: datetime
    door: Door
    what: str
    detail: str = ""
    entities: tuple[Entity, ...] = ()
    status: int | None
    rows: int = 0
    revision: int | None = None
    ms: int = 0
    by: str | None = None

    @property
    def is_delivery(self) -> bool:
        """Whether the vendor itself was given what it asked for."""
        return self.by is None and bool(self.entities) and self.status == _OK


_OK: Final = 200


def told_path(template: str, ids: Iterable[str]) -> str:
    """A path with its ids, each as it would stand in an address."""
    return template.format(*(quote(one, safe="") if _ID.fullmatch(one) else "*" for one in ids))


def told_query(
    *,
    limit: int,
    offset: int,
    asked: Filter | None = None,
    sort: Sort | None = None,
    fields: frozenset[str] | None = None,
) -> str:
    """A query as it is kept, in one order of its parts."""
    parts = [f"limit={limit}", f"offset={offset}"]
    if asked is not None:
        join = " OR " if asked.any_of else " AND "
        parts.append("filter=" + join.join(map(_told_clause, asked.clauses)))
    if sort is not None:
        parts.append(f"sort={_named(sort.field.path)}")
    if fields is not None:
        parts.append("fields=" + ",".join(sorted(fields)))
    return " ".join(parts)


def _told_clause(clause: Clause) -> str:
    path, value = clause.field.path, clause.value
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    is_open = ".".join(path) in _OPEN_FIELDS or path[-1] == _ID_FIELD
    kept = text if is_open and path[0] != METADATA and _is_told(value) else _HIDDEN
    return f"{_named(path)}{clause.predicate}'{kept}'"


def _is_told(value: str | datetime | Words) -> bool:
    return isinstance(value, datetime) or _ID.fullmatch(str(value)) is not None


def _named(path: tuple[str, ...]) -> str:
    """A path inside metadata is the caller's own words."""
    return METADATA if path[0] == METADATA else ".".join(path)
