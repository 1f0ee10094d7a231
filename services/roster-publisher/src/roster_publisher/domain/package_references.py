"""Takes out of a body what a package does not hold, so that every reference in it resolves. Pure.

The same needs as when a record is published, but for people: somebody without a role is told.
Source: OneRoster CSV binding (bulk holds what is active); ADR 0027.
"""

from collections.abc import Callable, Sequence

from roster_publisher.domain.records import Entity, Key, Need, Reference, references
from roster_publisher.domain.views import Body

# CSV says it from the other side.
_NOT_TOLD = "children"


def told_references(entity: Entity, body: Body) -> Sequence[Reference]:
    """What the body points at in a package."""
    found = references(Key(entity, body["sourcedId"]), body)
    return [reference for reference in found if reference.field != _NOT_TOLD]


def take_out(
    entity: Entity, body: Body, told: Sequence[Reference], is_there: Callable[[Key], bool]
) -> bool:
    """Take every reference to what is not there out of the body, whose references are `told`.
    False, and the body as it was, when it cannot be without.
    """
    absent = [reference for reference in told if not is_there(reference.target)]
    if not absent:
        return True
    if any(reference.need is Need.EVERY for reference in absent):
        return False
    gone = {(reference.field, reference.target.sourced_id) for reference in absent}
    left = {name: _left(name, body[name], gone) for name, _ in gone}
    if entity == "class" and "terms" in left and not left["terms"]:
        return False
    for name, value in left.items():
        if value:
            body[name] = value
        elif name == "roles":
            body[name] = []
        else:
            del body[name]
    return True


def _left(name: str, value: object, gone: set[tuple[str, str]]) -> object:
    if not isinstance(value, list):
        return None
    return [
        item
        for item in value
        if (name, (item["org"] if name == "roles" else item)["sourcedId"]) not in gone
    ]
