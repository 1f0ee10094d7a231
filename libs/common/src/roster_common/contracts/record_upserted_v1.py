"""`k12.roster.{entity}.upserted.v1`: a source's record is new or has changed.

On `sis.changes`. Old values never travel: `changed` names the fields, `before_hash` the state.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from roster_common.contracts.envelope import EventData
from roster_common.contracts.oneroster import (
    AcademicSession,
    Class,
    Course,
    Demographics,
    Enrollment,
    OneRosterObject,
    Org,
    User,
)
from roster_common.contracts.values import Entity, Text


class RecordUpserted(EventData):
    """Base of the seven; `before_hash` is absent when the record is new."""

    ENTITY: ClassVar[Entity]
    TOPIC = "sis.changes"

    record: OneRosterObject
    changed: tuple[Text, ...]
    before_hash: Text | None = None

    def entity_key(self) -> str:
        """`{entity}/{sourcedId}`: one record, one order."""
        return f"{self.ENTITY}/{self.record.sourced_id}"


class OrgUpserted(RecordUpserted):
    """An org is new or has changed."""

    TYPE = "k12.roster.org.upserted.v1"
    ENTITY = "org"
    record: Org


class AcademicSessionUpserted(RecordUpserted):
    """An academic session is new or has changed."""

    TYPE = "k12.roster.academicSession.upserted.v1"
    ENTITY = "academicSession"
    record: AcademicSession


class CourseUpserted(RecordUpserted):
    """A course is new or has changed."""

    TYPE = "k12.roster.course.upserted.v1"
    ENTITY = "course"
    record: Course


class ClassUpserted(RecordUpserted):
    """A class is new or has changed."""

    TYPE = "k12.roster.class.upserted.v1"
    ENTITY = "class"
    record: Class


class UserUpserted(RecordUpserted):
    """A user is new or has changed."""

    TYPE = "k12.roster.user.upserted.v1"
    ENTITY = "user"
    record: User


class EnrollmentUpserted(RecordUpserted):
    """An enrollment is new or has changed."""

    TYPE = "k12.roster.enrollment.upserted.v1"
    ENTITY = "enrollment"
    record: Enrollment


class DemographicsUpserted(RecordUpserted):
    """A person's demographics are new or have changed."""

    TYPE = "k12.roster.demographics.upserted.v1"
    ENTITY = "demographics"
    record: Demographics


UPSERTED: Final[Mapping[Entity, type[RecordUpserted]]] = {
    "org": OrgUpserted,
    "academicSession": AcademicSessionUpserted,
    "course": CourseUpserted,
    "class": ClassUpserted,
    "user": UserUpserted,
    "enrollment": EnrollmentUpserted,
    "demographics": DemographicsUpserted,
}
