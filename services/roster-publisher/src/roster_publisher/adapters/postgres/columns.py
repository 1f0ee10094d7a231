"""Turns a publication into the columns of `object`, and names those columns once. No SQL runs here.

Lists travel as one text with `SEPARATOR` between items, because arrays of arrays must be square;
ids never hold a control character.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from roster_publisher.domain.fragments import GROUPS
from roster_publisher.domain.records import ref_id
from roster_publisher.ports.publishing import Publication

SEPARATOR: Final = "\x1f"

SCALARS: Final = (
    "status",
    "correlation_id",
    "kind",
    "user_id",
    "class_id",
    "course_id",
    "school_id",
    "parent_id",
    "merged_into",
)
LISTS: Final = ("term_ids", "roles", "roles_at", "scope_ids")
# What a reader may see; `object` and `object_history` share these. Behind them, in `object` alone,
# come the rules that a record matches.
PUBLISHED: Final = (*SCALARS, *LISTS, *GROUPS)

_KIND: Final = {
    "org": "type",
    "academicSession": "type",
    "class": "classType",
    "enrollment": "role",
}


def rows_of(publications: Sequence[Publication]) -> list[list[Any]]:
    """One list per column: entity, sourced_id, PUBLISHED…, rule_ids, content_hash, event_time,
    record.
    """
    columns: list[list[Any]] = [[] for _ in range(2 + len(PUBLISHED) + 4)]
    for publication in publications:
        for column, value in zip(columns, _row(publication), strict=True):
            column.append(value)
    return columns


def _row(publication: Publication) -> tuple[Any, ...]:
    draft = publication.draft
    fragments = publication.fragments
    return (
        *draft.key,
        draft.status,
        draft.cause.correlation_id,
        *_narrow(publication),
        *(getattr(fragments, group) for group in GROUPS),
        SEPARATOR.join(sorted(publication.rule_ids)),
        draft.content_hash,
        draft.time,
        orjson.dumps(draft.record).decode(),
    )


def _narrow(publication: Publication) -> tuple[str | None, ...]:
    """kind, the ids pointed at, what stands for it, then the lists."""
    draft = publication.draft
    record, entity = draft.record, draft.key.entity
    kind = record.get(_KIND[entity]) if entity in _KIND else None
    user_id = ref_id(record, "user") if entity == "enrollment" else None
    class_id = ref_id(record, "class") if entity == "enrollment" else None
    course_id = ref_id(record, "course") if entity == "class" else None
    school_id = ref_id(record, "org" if entity == "course" else "school")
    parent_id = ref_id(record, "parent")
    scopes = publication.scope_ids
    roles = [
        (role["role"], role["org"]["sourcedId"])
        for role in record.get("roles", ())
        if role["org"]["sourcedId"] in scopes
    ]
    return (
        kind,
        user_id,
        class_id,
        course_id,
        school_id,
        parent_id,
        draft.merged_into,
        SEPARATOR.join(term["sourcedId"] for term in record.get("terms", ())),
        SEPARATOR.join(sorted({role for role, _ in roles})),
        SEPARATOR.join(sorted({f"{role}@{org}" for role, org in roles})),
        SEPARATOR.join(sorted(scopes)),
    )


def column_types() -> Sequence[str]:
    """SQL array types of `rows_of`, in order."""
    return ("text",) * (2 + len(PUBLISHED) + 1) + ("bytea", "timestamptz", "text")
