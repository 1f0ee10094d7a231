"""`k12.roster.person.v1`: one person, self-contained, as published. On `roster.state`, compacted.

Consumers join nothing: roles carry their orgs, classes carry titles, schools and dates.
"""

from roster_common.contracts.envelope import EventData, Wire
from roster_common.contracts.oneroster_values import (
    Day,
    EnrollmentRole,
    OrgType,
    RoleType,
    Status,
    UserRole,
)
from roster_common.contracts.values import Count, SourcedId, Text


class PersonRole(Wire):
    """A role at an org; `begin_date` is inside, `end_date` outside."""

    role: UserRole
    role_type: RoleType
    org_id: SourcedId
    org_name: Text | None = None
    org_type: OrgType | None = None
    begin_date: Day | None = None
    end_date: Day | None = None


class PersonClass(Wire):
    """A class the person learns or teaches in; `begin_date` is inside, `end_date` outside."""

    class_id: SourcedId
    role: EnrollmentRole
    school_id: SourcedId
    title: Text | None = None
    class_code: Text | None = None
    school_name: Text | None = None
    term_ids: tuple[SourcedId, ...] = ()
    begin_date: Day | None = None
    end_date: Day | None = None
    primary: bool | None = None


class PersonState(EventData):
    """The person as of `revision` of the district; a higher revision replaces a lower one."""

    TYPE = "k12.roster.person.v1"
    TOPIC = "roster.state"

    person_id: SourcedId
    status: Status
    enabled: bool
    given_name: Text
    family_name: Text
    revision: Count
    middle_name: Text | None = None
    preferred_first_name: Text | None = None
    preferred_last_name: Text | None = None
    identifier: Text | None = None
    user_master_identifier: Text | None = None
    username: Text | None = None
    email: Text | None = None
    grades: tuple[Text, ...] = ()
    roles: tuple[PersonRole, ...] = ()
    primary_org_id: SourcedId | None = None
    classes: tuple[PersonClass, ...] = ()

    def entity_key(self) -> str:
        """`person/{personId}`."""
        return person_key(self.person_id)


def person_key(person_id: str) -> str:
    """Entity key of a person's state, also of its tombstone."""
    return f"person/{person_id}"
