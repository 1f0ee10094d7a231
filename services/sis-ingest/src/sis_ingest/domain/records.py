"""A record: one OneRoster 1.2 object as plain JSON values, made comparable.

Pure. Two records that say the same have the same bytes, whichever way they came in: webhook,
snapshot, rows in another order.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import orjson

Record: TypeAlias = dict[str, Any]

# Publication stamps both; nightly exports rewrite the date of rows that did not change.
_NOT_CONTENT: Final = frozenset({"status", "dateLastModified", "password"})
_HASH_BYTES: Final = 16


def _by_id(item: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(item["sourcedId"]),)


def _by_role(item: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(item.get("roleType")),
        str(item["org"]["sourcedId"]),
        str(item.get("role")),
        str(item.get("beginDate")),
        str(item.get("endDate")),
    )


def _by_system(item: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(item.get("type")), str(item.get("identifier")))


# Lists whose order carries no meaning in OneRoster; sources give them in any order.
_UNORDERED: Final[Mapping[str, Callable[[Mapping[str, Any]], tuple[str, ...]]]] = {
    "children": _by_id,
    "terms": _by_id,
    "agents": _by_id,
    "resources": _by_id,
    "roles": _by_role,
    "userIds": _by_system,
}


def canonical(record: Mapping[str, Any]) -> Record:
    """The record's content alone, its unordered lists sorted. Drops status, date and password."""
    content: Record = {}
    for name, value in record.items():
        if name in _NOT_CONTENT or value is None:
            continue
        order = _UNORDERED.get(name)
        content[name] = value if order is None else sorted(value, key=order)
    return content


def to_bytes(record: Record) -> bytes:
    """JSON with sorted names: equal records give equal bytes."""
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


def content_hash(body: bytes) -> bytes:
    """Sixteen bytes that stand for the content of `to_bytes`; not a secret, not a signature."""
    return hashlib.blake2b(body, digest_size=_HASH_BYTES).digest()


def changed_fields(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[str, ...]:
    """Sorted names of the fields that differ; all of `after` when there was nothing before."""
    if before is None:
        return tuple(sorted(name for name in after if name != "sourcedId"))
    names = before.keys() | after.keys()
    return tuple(sorted(name for name in names if before.get(name) != after.get(name)))
