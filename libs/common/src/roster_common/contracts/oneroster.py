"""OneRoster 1.2 rostering objects as they stand on the log and as webhook bodies are read.

Exact field names and required fields of the specification, with three differences: references
carry no `href`, booleans are booleans, and `status` and `dateLastModified` are optional because
publication stamps them. A password has no field, so it is dropped on reading.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from roster_common.contracts.envelope import Wire
from roster_common.contracts.oneroster_values import (
    AcademicSessionRef,
    ClassRef,
    ClassType,
    CourseRef,
    Day,
    EnrollmentRole,
    OrgRef,
    OrgType,
    ResourceRef,
    RoleType,
    SchoolYear,
    SessionType,
    Sex,
    Status,
    UserRef,
    UserRole,
)
from roster_common.contracts.validation import read_object
from roster_common.contracts.values import Entity, Moment, OpenObject, SourcedId, Text


class OneRosterObject(Wire):
    """What every object of the specification begins with."""

    sourced_id: SourcedId
    status: Status | None = None
    date_last_modified: Moment | None = None
    metadata: OpenObject | None = None


class Org(OneRosterObject):
    """A school, a district or another unit."""

    name: Text
    type: OrgType
    identifier: Text
    parent: OrgRef | None = None
    children: tuple[OrgRef, ...] | None = None


class AcademicSession(OneRosterObject):
    """A span of time; `start_date` is inside, `end_date` outside it."""

    title: Text
    start_date: Day
    end_date: Day
    type: SessionType
    school_year: SchoolYear
    parent: AcademicSessionRef | None = None
    children: tuple[AcademicSessionRef, ...] | None = None


class Course(OneRosterObject):
    """What is taught, apart from when and to whom."""

    title: Text
    course_code: Text
    school_year: AcademicSessionRef | None = None
    grades: tuple[Text, ...] | None = None
    subjects: tuple[Text, ...] | None = None
    org: OrgRef | None = None
    subject_codes: tuple[Text, ...] | None = None
    resources: tuple[ResourceRef, ...] | None = None


class Class(OneRosterObject):
    """A course held at a school in at least one term."""

    title: Text
    course: CourseRef
    school: OrgRef
    terms: Annotated[tuple[AcademicSessionRef, ...], Field(min_length=1)]
    class_code: Text | None = None
    class_type: ClassType | None = None
    location: Text | None = None
    grades: tuple[Text, ...] | None = None
    subjects: tuple[Text, ...] | None = None
    subject_codes: tuple[Text, ...] | None = None
    periods: tuple[Text, ...] | None = None
    resources: tuple[ResourceRef, ...] | None = None


class UserId(Wire):
    """An id another system knows the person by."""

    type: Text
    identifier: Text


class UserRoleAtOrg(Wire):
    """What a person is at one org; `begin_date` is inside, `end_date` outside."""

    role_type: RoleType
    role: UserRole
    org: OrgRef
    user_profile: Text | None = None
    begin_date: Day | None = None
    end_date: Day | None = None


class Credential(Wire):
    """A sign-in name; its password is not read."""

    type: Text
    username: Text


class UserProfile(Wire):
    """How an application knows the person."""

    profile_id: Text
    profile_type: Text
    vendor_id: Text
    application_id: Text | None = None
    description: Text | None = None
    credentials: tuple[Credential, ...] | None = None


class User(OneRosterObject):
    """A person, whatever their roles."""

    enabled_user: bool
    given_name: Text
    family_name: Text
    roles: Annotated[tuple[UserRoleAtOrg, ...], Field(min_length=1)]
    user_master_identifier: Text | None = None
    username: Text | None = None
    user_ids: tuple[UserId, ...] | None = None
    middle_name: Text | None = None
    preferred_first_name: Text | None = None
    preferred_middle_name: Text | None = None
    preferred_last_name: Text | None = None
    pronouns: Text | None = None
    user_profiles: tuple[UserProfile, ...] | None = None
    primary_org: OrgRef | None = None
    identifier: Text | None = None
    email: Text | None = None
    sms: Text | None = None
    phone: Text | None = None
    agents: tuple[UserRef, ...] | None = None
    grades: tuple[Text, ...] | None = None
    resources: tuple[ResourceRef, ...] | None = None


class Enrollment(OneRosterObject):
    """A person in a class; `begin_date` is inside, `end_date` outside."""

    user: UserRef
    class_: ClassRef = Field(validation_alias="class", serialization_alias="class")
    school: OrgRef
    role: EnrollmentRole
    primary: bool | None = None
    begin_date: Day | None = None
    end_date: Day | None = None


class Demographics(OneRosterObject):
    """Facts about the user of the same `sourced_id`; sensitive."""

    birth_date: Day | None = None
    sex: Sex | None = None
    american_indian_or_alaska_native: bool | None = None
    asian: bool | None = None
    black_or_african_american: bool | None = None
    native_hawaiian_or_other_pacific_islander: bool | None = None
    white: bool | None = None
    demographic_race_two_or_more_races: bool | None = None
    hispanic_or_latino_ethnicity: bool | None = None
    country_of_birth_code: Text | None = None
    state_of_birth_abbreviation: Text | None = None
    city_of_birth: Text | None = None
    public_school_residence_status: Text | None = None


OBJECTS: Final[Mapping[Entity, type[OneRosterObject]]] = {
    "org": Org,
    "academicSession": AcademicSession,
    "course": Course,
    "class": Class,
    "user": User,
    "enrollment": Enrollment,
    "demographics": Demographics,
}


def read_record(entity: Entity, body: Mapping[str, Any]) -> OneRosterObject:
    """A decoded JSON object as the entity's model; unknown fields, `href` included, are dropped.

    Raises `Invalid` with the field path and pydantic's error type, never a value.
    """
    return read_object(OBJECTS[entity], body)


def to_record(record: OneRosterObject) -> dict[str, Any]:
    """The object as plain JSON values by OneRoster's names, without empty fields."""
    return record.model_dump(mode="json", by_alias=True, exclude_none=True)
