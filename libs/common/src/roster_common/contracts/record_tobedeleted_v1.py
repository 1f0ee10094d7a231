"""`k12.roster.{entity}.tobedeleted.v1`: a source no longer has a record. On `sis.changes`."""

from collections.abc import Mapping
from typing import ClassVar, Final

from roster_common.contracts.envelope import EventData
from roster_common.contracts.values import Entity, SourcedId, Text


class RecordToBeDeleted(EventData):
    """Base of the seven; `reason` is a stable word, as `source_deleted` or `not_in_snapshot`.

    `merged_into` is the id that stands for this one from now on, when the reason is `merged`.
    """

    ENTITY: ClassVar[Entity]
    TOPIC = "sis.changes"

    sourced_id: SourcedId
    reason: Text
    merged_into: SourcedId | None = None

    def entity_key(self) -> str:
        """`{entity}/{sourcedId}`: the key of the record's upserts."""
        return f"{self.ENTITY}/{self.sourced_id}"


class OrgToBeDeleted(RecordToBeDeleted):
    """An org is gone."""

    TYPE = "k12.roster.org.tobedeleted.v1"
    ENTITY = "org"


class AcademicSessionToBeDeleted(RecordToBeDeleted):
    """An academic session is gone."""

    TYPE = "k12.roster.academicSession.tobedeleted.v1"
    ENTITY = "academicSession"


class CourseToBeDeleted(RecordToBeDeleted):
    """A course is gone."""

    TYPE = "k12.roster.course.tobedeleted.v1"
    ENTITY = "course"


class ClassToBeDeleted(RecordToBeDeleted):
    """A class is gone."""

    TYPE = "k12.roster.class.tobedeleted.v1"
    ENTITY = "class"


class UserToBeDeleted(RecordToBeDeleted):
    """A user is gone."""

    TYPE = "k12.roster.user.tobedeleted.v1"
    ENTITY = "user"


class EnrollmentToBeDeleted(RecordToBeDeleted):
    """An enrollment is gone."""

    TYPE = "k12.roster.enrollment.tobedeleted.v1"
    ENTITY = "enrollment"


class DemographicsToBeDeleted(RecordToBeDeleted):
    """A person's demographics are gone."""

    TYPE = "k12.roster.demographics.tobedeleted.v1"
    ENTITY = "demographics"


TOBEDELETED: Final[Mapping[Entity, type[RecordToBeDeleted]]] = {
    "org": OrgToBeDeleted,
    "academicSession": AcademicSessionToBeDeleted,
    "course": CourseToBeDeleted,
    "class": ClassToBeDeleted,
    "user": UserToBeDeleted,
    "enrollment": EnrollmentToBeDeleted,
    "demographics": DemographicsToBeDeleted,
}
