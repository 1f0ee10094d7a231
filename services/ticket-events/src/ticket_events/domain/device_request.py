"""When a device is asked for. Pure.

A student who joins needs one. Nobody asks for devices while a district is loaded for the first
time or published again: those students have theirs already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ticket_events.domain.cause import Cause
from ticket_events.domain.ids import DistrictId, PersonId, RequestId

_ROLE = "student"
REASON = "person_joined"


class RequestState(StrEnum):
    """Life of a request; it ends when a device is handed over or the person is gone."""

    OPEN = "open"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A person has a first active role, at these orgs."""

    district_id: DistrictId
    person_id: PersonId
    role: str
    to_org_ids: tuple[str, ...]
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A person's last active role is gone; `merged_into` when only the id is, and who they are."""

    district_id: DistrictId
    person_id: PersonId
    cause: Cause
    merged_into: PersonId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """A device is wanted. At most one per causing event, and one open per person."""

    district_id: DistrictId
    request_id: RequestId
    person_id: PersonId
    school_id: str | None
    role: str
    reason: str
    state: RequestState
    requested_at: datetime
    cause: Cause


def needs_device(joined: Joined) -> bool:
    """Whether this step asks for a device at all."""
    return joined.role == _ROLE and not joined.cause.is_quiet


def school_for(to_org_ids: Sequence[str], *, known_school_id: str | None) -> str | None:
    """Where the device goes: the person's own school if they joined there, else the first org."""
    if known_school_id is not None and (not to_org_ids or known_school_id in to_org_ids):
        return known_school_id
    return to_org_ids[0] if to_org_ids else None
