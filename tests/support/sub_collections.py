"""What each sub-collection holds, by brute force over what a vendor sees in the core collections.

Knows nothing of tables or scopes: whatever a vendor may not see is not in what it is given.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Row = dict[str, Any]
Seen = Mapping[str, list[Row]]
"""Rows per entity, as the core collections gave them."""


def _points_at(row: Row, field: str) -> str | None:
    return row[field]["sourcedId"] if field in row else None


def _all(refs: list[Row]) -> set[str]:
    return {ref["sourcedId"] for ref in refs}


def _active(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["status"] == "active"]


def _in_role(seen: Seen, role: str, school: str | None = None) -> set[str]:
    return {
        user["sourcedId"]
        for user in seen["user"]
        for held in user["roles"]
        if held["role"] == role and school in (None, held["org"]["sourcedId"])
    }


def _linked(seen: Seen, want: str, by: str, which: str, role: str | None) -> set[str]:
    return {
        one[want]["sourcedId"]
        for one in _active(seen["enrollment"])
        if one[by]["sourcedId"] == which and role in (None, one["role"])
    }


def _own(seen: Seen, entity: str, field: str, which: str) -> set[str]:
    return {row["sourcedId"] for row in seen[entity] if _points_at(row, field) == which}


def _classes_of(seen: Seen, school: str) -> list[Row]:
    return [row for row in _active(seen["class"]) if row["school"]["sourcedId"] == school]


def _in_term(seen: Seen, term: str) -> set[str]:
    named = [r.get("children", []) for r in seen["academicSession"] if r["sourcedId"] == term]
    return _own(seen, "academicSession", "parent", term) | {i for r in named for i in _all(r)}


def _around(seen: Seen, named: set[str]) -> set[str]:
    """Sessions, all that they are parts of and all their parts."""
    pairs = {(s["parent"]["sourcedId"], s["sourcedId"]) for s in seen["academicSession"] if "parent" in s}  # fmt: skip
    pairs |= {
        (s["sourcedId"], i) for s in seen["academicSession"] for i in _all(s.get("children", []))
    }
    outward, inward = set(named), set(named)
    for _ in seen["academicSession"]:
        outward |= {whole for whole, part in pairs if part in outward}
        inward |= {part for whole, part in pairs if whole in inward}
    return outward | inward


# Path, entity of its rows, and their ids by the id of the nearest parent.
RULES: dict[str, tuple[str, Callable[[Seen, str], set[str]]]] = {
    "classes/{}/students": ("user", lambda s, i: _linked(s, "user", "class", i, "student")),
    "classes/{}/teachers": ("user", lambda s, i: _linked(s, "user", "class", i, "teacher")),
    "courses/{}/classes": ("class", lambda s, i: _own(s, "class", "course", i)),
    "terms/{}/classes": (
        "class",
        lambda s, i: {c["sourcedId"] for c in s["class"] if _around(s, {i}) & _all(c["terms"])},
    ),
    "terms/{}/gradingPeriods": ("gradingPeriod", _in_term),
    "users/{}/classes": ("class", lambda s, i: _linked(s, "class", "user", i, None)),
    "students/{}/classes": ("class", lambda s, i: _linked(s, "class", "user", i, "student")),
    "teachers/{}/classes": ("class", lambda s, i: _linked(s, "class", "user", i, "teacher")),
    "schools/{}/classes": ("class", lambda s, i: _own(s, "class", "school", i)),
    "schools/{}/courses": (
        "course",
        lambda s, i: (
            _own(s, "course", "org", i) | {c["course"]["sourcedId"] for c in _classes_of(s, i)}
        ),
    ),
    "schools/{}/enrollments": ("enrollment", lambda s, i: _own(s, "enrollment", "school", i)),
    "schools/{}/students": ("user", lambda s, i: _in_role(s, "student", i)),
    "schools/{}/teachers": ("user", lambda s, i: _in_role(s, "teacher", i)),
    "schools/{}/terms": (
        "term",
        lambda s, i: _around(s, {t for c in _classes_of(s, i) for t in _all(c["terms"])}),
    ),
    "schools/{}/classes/{}/enrollments": (
        "enrollment",
        lambda s, i: _own(s, "enrollment", "class", i),
    ),
    "schools/{}/classes/{}/students": (
        "user",
        lambda s, i: _linked(s, "user", "class", i, "student"),
    ),
    "schools/{}/classes/{}/teachers": (
        "user",
        lambda s, i: _linked(s, "user", "class", i, "teacher"),
    ),
}


def wanted(seen: Seen, path: str, *parents: str) -> list[Row] | None:
    """The rows of a sub-collection in the order of their ids; None when a parent is not seen."""
    kinds = path.split("/{}/")[:-1]
    found = all(one in _parents(seen, kind) for kind, one in zip(kinds, parents, strict=True))
    if not found:
        return None
    if len(parents) == 2 and parents[1] not in _own(seen, "class", "school", parents[0]):
        return None
    entity, rule = RULES[path]
    ids = rule(seen, parents[-1])
    return [row for row in _kind(seen, entity) if row["sourcedId"] in ids]


def places(candidates: Mapping[str, list[str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every sub-collection with every combination of parents; ids by core collection."""
    for path in RULES:
        kinds = path.split("/{}/")[:-1]
        firsts = candidates[kinds[0]]
        if len(kinds) == 1:
            yield from ((path, (one,)) for one in firsts)
        else:
            yield from ((path, (one, two)) for one in firsts for two in candidates[kinds[1]])


def _parents(seen: Seen, kind: str) -> set[str]:
    match kind:
        case "students" | "teachers":
            return _in_role(seen, kind.removesuffix("s"))
        case "schools":
            return {row["sourcedId"] for row in seen["org"] if row["type"] == "school"}
        case "terms":
            return {row["sourcedId"] for row in _kind(seen, "term")}
        case _:
            entity = {"classes": "class", "courses": "course", "users": "user"}[kind]
            return {row["sourcedId"] for row in seen[entity]}


def _kind(seen: Seen, kind: str) -> list[Row]:
    if kind in ("term", "gradingPeriod"):
        return [row for row in seen["academicSession"] if row["type"] == kind]
    return seen[kind]
