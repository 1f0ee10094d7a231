"""Domain facts as contract events. Knows both words, decides nothing."""

from datetime import datetime
from typing import Any, Final

from roster_common.contracts.roster_class_v1 import ClassState, ClassTerm
from roster_common.contracts.roster_lifecycle_v1 import (
    EnrollmentMoved,
    PersonJoined,
    PersonLeft,
    PersonLifecycle,
    PersonMoved,
)
from roster_common.contracts.roster_person_v1 import PersonClass, PersonRole, PersonState
from roster_publisher.domain.class_moves import ClassMove
from roster_publisher.domain.lifecycle import Step
from roster_publisher.domain.people import Class, ClassAttended, Person, RoleHeld

_STEPS: Final[dict[str, type[PersonLifecycle]]] = {
    "joined": PersonJoined,
    "moved": PersonMoved,
}


def person_state(person: Person, *, revision: int) -> PersonState:
    """The person as `k12.roster.person.v1`."""
    plain = person.fields
    return PersonState(
        person_id=person.person_id,
        status=person.status,
        enabled=person.enabled,
        revision=revision,
        given_name=plain["givenName"],
        family_name=plain["familyName"],
        middle_name=plain.get("middleName"),
        preferred_first_name=plain.get("preferredFirstName"),
        preferred_last_name=plain.get("preferredLastName"),
        identifier=plain.get("identifier"),
        user_master_identifier=plain.get("userMasterIdentifier"),
        username=plain.get("username"),
        email=plain.get("email"),
        grades=plain["grades"],
        roles=tuple(_role(role) for role in person.roles),
        primary_org_id=person.primary_org_id,
        classes=tuple(_class(attended) for attended in person.classes),
    )


def class_state(state: Class, *, revision: int) -> ClassState:
    """The class as `k12.roster.class.v1`."""
    return ClassState(
        class_id=state.class_id,
        status=state.status,
        title=state.title,
        revision=revision,
        class_code=state.class_code,
        class_type=state.class_type,
        course_id=state.course_id,
        course_title=state.course_title,
        school_id=state.school_id,
        school_name=state.school_name,
        terms=tuple(
            ClassTerm(id=term.id, title=term.title, begin_date=term.begin, end_date=term.end)
            for term in state.terms
        ),
        grades=state.grades,
        subjects=state.subjects,
        periods=state.periods,
    )


def lifecycle_step(person_id: str, step: Step, *, at: datetime) -> PersonLifecycle:
    """The step as `k12.roster.person.joined|moved|left.v1`."""
    plain: dict[str, Any] = {
        "person_id": person_id,
        "role": step.role,
        "from_org_ids": step.from_org_ids,
        "to_org_ids": step.to_org_ids,
        "effective_at": at,
    }
    if step.kind == "left":
        return PersonLeft(**plain, merged_into=step.merged_into)
    return _STEPS[step.kind](**plain)


def class_moved(person_id: str, move: ClassMove) -> EnrollmentMoved:
    """The move as `k12.roster.enrollment.moved.v1`."""
    return EnrollmentMoved(
        person_id=person_id,
        from_class_id=move.from_class_id,
        to_class_id=move.to_class_id,
        effective_date=move.effective_date,
    )


def _role(role: RoleHeld) -> PersonRole:
    return PersonRole(
        role=role.role,
        role_type=role.role_type,
        org_id=role.org_id,
        org_name=role.org_name,
        org_type=role.org_type,
        begin_date=role.begin,
        end_date=role.end,
    )


def _class(attended: ClassAttended) -> PersonClass:
    return PersonClass(
        class_id=attended.class_id,
        role=attended.role,
        school_id=attended.school_id,
        title=attended.title,
        class_code=attended.class_code,
        school_name=attended.school_name,
        term_ids=attended.term_ids,
        begin_date=attended.begin,
        end_date=attended.end,
        primary=attended.primary,
    )
