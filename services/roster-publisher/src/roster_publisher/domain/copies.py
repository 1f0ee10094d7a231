"""What a vendor has been given of one record: names of fields, never what is in them. Pure.

Source: ADR 0028.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from roster_publisher.domain.access import Grant, How
from roster_publisher.domain.field_kinds import METADATA
from roster_publisher.domain.records import Entity
from roster_publisher.domain.transforms import stands_at, transforms_of
from roster_publisher.domain.views import VERSION, Body

State: TypeAlias = Literal["active", "tobedeleted", "left"]
"""`tobedeleted`: the record was deleted; `left`: it is there, and out of this vendor's view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentField:
    """A field by its path; `how` says what it was sent as, None for as it is."""

    name: str
    how: How | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorCopy:
    """One record as a vendor has it.

    `since` is when it first came into the view, None where that is no longer known; `changed_at`
    the stamp of what the vendor is shown now, which is the tombstone's unless `active`. Of what is
    gone, `fields` are those that were sent before.
    """

    entity: Entity
    sourced_id: str
    state: State
    since: datetime | None
    changed_at: datetime
    fields: Sequence[SentField]


def sent_fields(body: Body, grant: Grant, entity: str) -> Sequence[SentField]:
    """The fields of a body, as the grant sends them; `metadata` by the names in it."""
    hows = {one.path: one.how for one in transforms_of(grant, entity)}
    inside = [SentField(name=p, how=how) for p, how in hows.items() if "." in p]
    deep = [one for one in inside if one.how != "drop" and stands_at(body, one.name)]
    plain = [
        SentField(name=name, how=hows.get(name))
        for name in _names(body)
        if hows.get(name) != "drop" and not any(one.name == name for one in deep)
    ]
    return sorted([*plain, *deep], key=lambda one: one.name)


def _names(body: Body) -> Iterator[str]:
    for name, value in body.items():
        if name == METADATA:
            yield from (f"{METADATA}.{key}" for key in value)
        # What is withheld and required is there and empty.
        elif name != VERSION and value != "":
            yield name


def state_of(status: str, *, inside: bool) -> State:
    """What a version of this status is to a vendor in whose view the record is, or was."""
    if status == "active":
        return "active"
    return "tobedeleted" if inside else "left"
