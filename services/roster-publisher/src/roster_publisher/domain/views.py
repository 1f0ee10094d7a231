"""What a grant of schools or rules sees of an object, and what `fields` leaves of it. Pure.

Objects are OneRoster 1.2 bodies as parsed JSON; they are changed in place and given back.
Source: blueprint, invariant 7; OneRoster 1.2 REST binding, field selection.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

Body: TypeAlias = dict[str, Any]
Stay: TypeAlias = tuple[int, int | None]
"""Revisions from and until which a record was in one of a grant's scopes."""

# The revision of a body's text, beside the body's own fields until the view has used it.
VERSION: Final = "@"
_VERSIONED: Final = f'"{VERSION}":'.encode()
# What is behind and before the id in a reference to an org, as `fragments.guid_ref` writes it.
# Quotes inside of values are escaped, so neither stands in one.
_TO_AN_ORG: Final = b'","type":"org"'
_NAMED: Final = b'"sourcedId":"'


def agents_of(bodies: Iterable[Body]) -> frozenset[str]:
    """Users that the bodies name as agents."""
    return frozenset(ref["sourcedId"] for body in bodies for ref in body.get("agents", ()))


def is_narrow(text: bytes, visible_orgs: frozenset[str] | None) -> bool:
    """Whether the text of bodies names no org out of sight, and nobody who might be: then it goes
    out as it is. Whatever only looks like a reference makes it False, which costs time alone.
    """
    if _VERSIONED in text:
        return False
    if visible_orgs is None:
        return True
    seen = {orjson.dumps(one)[1:-1] for one in visible_orgs}
    # Cut, and the end of each piece looked at: a pattern costs many times as much.
    return all(piece.rpartition(_NAMED)[2] in seen for piece in text.split(_TO_AN_ORG)[:-1])


def narrow(
    bodies: Sequence[Body],
    *,
    visible_orgs: frozenset[str] | None,
    stays: Mapping[str, Sequence[Stay]],
) -> Sequence[Body]:
    """Take every reference to an org or user out of scope, and `VERSION`, out of the bodies.

    A school in scope keeps itself; parents, children and roles elsewhere go; with `visible_orgs`
    None every org stays. An agent is named if
    it was in scope when the text was published: what a body says changes with its stamp only.
    """
    for body in bodies:
        version = body.pop(VERSION, None)
        if visible_orgs is not None:
            _narrow_orgs(body, visible_orgs)
        if "agents" in body:
            body["agents"] = [
                r
                for r in body["agents"]
                if version is not None and _was_there(stays.get(r["sourcedId"], ()), version)
            ]
    return bodies


def _narrow_orgs(body: Body, visible: frozenset[str]) -> None:
    if "roles" in body:
        body["roles"] = [r for r in body["roles"] if r["org"]["sourcedId"] in visible]
    for field in ("parent", "primaryOrg", "org"):
        ref = body.get(field)
        if ref and ref["type"] == "org" and ref["sourcedId"] not in visible:
            del body[field]
    if "children" in body:
        body["children"] = [r for r in body["children"] if r["sourcedId"] in visible]


def select(bodies: Sequence[Body], fields: frozenset[str]) -> Sequence[Body]:
    """Only `fields` of each body."""
    return [{name: body[name] for name in body if name in fields} for body in bodies]


def _was_there(stays: Sequence[Stay], revision: int) -> bool:
    return any(since <= revision and (until is None or revision < until) for since, until in stays)
