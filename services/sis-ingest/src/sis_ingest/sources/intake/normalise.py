"""A registration to OneRoster 1.2: a student to come, who speaks for them, the school. Pure.

The student cannot sign in yet (`enabledUser` false), and the role at the school begins on the day
they want to start: nobody gets an account before the SIS has them. Ids get a prefix of their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from roster_common.contracts.oneroster import OBJECTS, to_record
from roster_common.contracts.validation import read_object
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import Record, canonical
from sis_ingest.sources.intake.form import MAX_GUARDIANS, Guardian, Registration

_RELATION: Final[Mapping[str, str]] = {
    **dict.fromkeys(("mother", "father", "parent", "mom", "dad"), "parent"),
    **dict.fromkeys(
        ("grandparent", "grandmother", "grandfather", "aunt", "uncle", "sibling", "relative"),
        "relative",
    ),
}
_GRADES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("K", "KINDERGARTEN", "KN", "0", "00"), "KG"),
    **dict.fromkeys(("PRE-K", "PREK", "P", "P3", "P4"), "PK"),
    **{str(grade): f"{grade:02}" for grade in range(1, 13)},
}


def student_id(registration_id: str) -> str:
    """The student's outside id."""
    return f"registration-{registration_id}"


def guardian_ids(registration_id: str) -> Sequence[str]:
    """Outside ids of all guardians that a registration may have."""
    return [f"{student_id(registration_id)}-{n}" for n in range(1, MAX_GUARDIANS + 1)]


def school_id(school: str) -> str:
    """A school's outside id."""
    return f"school-{school}"


def to_school(number: str, name: str | None) -> Record:
    """The school; the SIS's own stands for it as soon as one has the same number."""
    return _checked(
        "org",
        {
            "sourcedId": school_id(number),
            "name": name or number,
            "type": "school",
            "identifier": number,
        },
    )


def to_student(form: Registration) -> Record:
    """The student."""
    guardians = guardian_ids(form.registration_id)[: len(form.guardians)]
    grade = form.grade.upper()
    return _checked(
        "user",
        {
            "sourcedId": student_id(form.registration_id),
            "enabledUser": False,
            "givenName": form.given_name,
            "familyName": form.family_name,
            "middleName": form.middle_name,
            "preferredFirstName": form.preferred_first_name,
            "userMasterIdentifier": form.state_id,
            "identifier": form.student_number,
            "grades": [_GRADES.get(grade, grade)],
            "roles": [_role(form, "student")],
            "agents": [{"sourcedId": guardian} for guardian in guardians] or None,
        },
    )


def to_guardian(form: Registration, place: int) -> Record:
    """The guardian at `place`, from 0."""
    guardian = form.guardians[place]
    return _checked(
        "user",
        {
            "sourcedId": guardian_ids(form.registration_id)[place],
            "enabledUser": False,
            "givenName": guardian.given_name,
            "familyName": guardian.family_name,
            "email": guardian.email,
            "phone": guardian.phone,
            "roles": [_role(form, _relation(guardian))],
            "agents": [{"sourcedId": student_id(form.registration_id)}],
        },
    )


def to_birth(form: Registration) -> Record:
    """The demographics that we need to recognise the student by."""
    return _checked(
        "demographics",
        {"sourcedId": student_id(form.registration_id), "birthDate": form.birth_date},
    )


def _role(form: Registration, role: str) -> Mapping[str, Any]:
    return {
        "roleType": "primary",
        "role": role,
        "org": {"sourcedId": school_id(form.school)},
        "beginDate": form.start_date,
    }


def _relation(guardian: Guardian) -> str:
    return _RELATION.get((guardian.relationship or "").casefold(), "guardian")


def _checked(entity: Entity, body: Mapping[str, Any]) -> Record:
    kept = {name: value for name, value in body.items() if value is not None}
    return canonical(to_record(read_object(OBJECTS[entity], kept)))
