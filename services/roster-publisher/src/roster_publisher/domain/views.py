"""What a grant of schools sees of an object, and what `fields` leaves of it. Pure.

Objects are OneRoster 1.2 bodies as parsed JSON; they are changed in place and given back.
Source: blueprint, invariant 7; OneRoster 1.2 REST binding, field selection.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

Body: TypeAlias = dict[str, Any]


def agents_of(bodies: Iterable[Body]) -> frozenset[str]:
    """Users that the bodies name as agents."""
    return frozenset(ref["sourcedId"] for body in bodies for ref in body.get("agents", ()))


def narrow(
    bodies: Sequence[Body], *, school_ids: frozenset[str], visible_users: frozenset[str]
) -> Sequence[Body]:
    """Take every reference to an org or user out of scope out of the bodies.

    A school in scope keeps itself; parents, children and roles elsewhere go.
    """
    for body in bodies:
        if "roles" in body:
            body["roles"] = [r for r in body["roles"] if r["org"]["sourcedId"] in school_ids]
        for field in ("parent", "primaryOrg", "org"):
            ref = body.get(field)
            if ref and ref["type"] == "org" and ref["sourcedId"] not in school_ids:
                del body[field]
        if "children" in body:
            body["children"] = [
                r for r in body["children"] if r["type"] != "org" or r["sourcedId"] in school_ids
            ]
        if "agents" in body:
            body["agents"] = [r for r in body["agents"] if r["sourcedId"] in visible_users]
    return bodies


def select(bodies: Sequence[Body], fields: frozenset[str]) -> Sequence[Body]:
    """Only `fields` of each body."""
    return [{name: body[name] for name in body if name in fields} for body in bodies]
