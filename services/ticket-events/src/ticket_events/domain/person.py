"""The little that tickets and devices need to know of a person: id, role, school. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ticket_events.domain.ids import DistrictId, PersonId

_SCHOOL = "school"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRole:
    """A role at one org; `org_type` None when the roster did not say."""

    role: str
    role_type: str
    org_id: str
    org_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPerson:
    """A person of the roster, without a name."""

    district_id: DistrictId
    person_id: PersonId
    active: bool
    role: str | None
    school_id: str | None


def main_role(roles: Sequence[HeldRole]) -> HeldRole | None:
    """The role that says where the person belongs: primary before secondary, school before
    other orgs, then by org id, so that every process names the same one.
    """
    return min(
        roles,
        key=lambda r: (r.role_type != "primary", r.org_type not in (_SCHOOL, None), r.org_id),
        default=None,
    )
