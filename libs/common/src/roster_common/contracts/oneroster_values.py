"""OneRoster 1.2 enumerations and references, without `href` (that is added on publication).

Source: OneRoster 1.2 rostering OpenAPI file; open enumerations also take `ext:` words.
"""

from datetime import date
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from roster_common.contracts.envelope import Wire
from roster_common.contracts.values import SourcedId, open_enum_pattern, open_enum_schema

ORG_TYPES: Final = ("department", "district", "local", "national", "school", "state")
SESSION_TYPES: Final = ("gradingPeriod", "semester", "schoolYear", "term")
CLASS_TYPES: Final = ("homeroom", "scheduled")
USER_ROLES: Final = (
    "aide",
    "counselor",
    "districtAdministrator",
    "guardian",
    "parent",
    "principal",
    "proctor",
    "relative",
    "siteAdministrator",
    "student",
    "systemAdministrator",
    "teacher",
)
ENROLLMENT_ROLES: Final = ("administrator", "proctor", "student", "teacher")
SEXES: Final = ("male", "female", "unspecified", "other")

Status: TypeAlias = Literal["active", "tobedeleted"]
RoleType: TypeAlias = Literal["primary", "secondary"]
OrgType: TypeAlias = Annotated[str, open_enum_pattern(*ORG_TYPES), open_enum_schema(*ORG_TYPES)]
SessionType: TypeAlias = Annotated[
    str, open_enum_pattern(*SESSION_TYPES), open_enum_schema(*SESSION_TYPES)
]
ClassType: TypeAlias = Annotated[
    str, open_enum_pattern(*CLASS_TYPES), open_enum_schema(*CLASS_TYPES)
]
UserRole: TypeAlias = Annotated[str, open_enum_pattern(*USER_ROLES), open_enum_schema(*USER_ROLES)]
EnrollmentRole: TypeAlias = Annotated[
    str, open_enum_pattern(*ENROLLMENT_ROLES), open_enum_schema(*ENROLLMENT_ROLES)
]
Sex: TypeAlias = Annotated[str, open_enum_pattern(*SEXES), open_enum_schema(*SEXES)]

# Some sources send the year as a number.
SchoolYear: TypeAlias = Annotated[str, Field(pattern=r"^[0-9]{4}$", coerce_numbers_to_str=True)]
Day: TypeAlias = date


class Ref(Wire):
    """A reference; the type may be left out on input, because its place already says it."""

    sourced_id: SourcedId


class OrgRef(Ref):
    """Reference to an org, a school included."""

    type: Literal["org"] = "org"


class AcademicSessionRef(Ref):
    """Reference to an academic session, a term included."""

    type: Literal["academicSession"] = "academicSession"


class CourseRef(Ref):
    """Reference to a course."""

    type: Literal["course"] = "course"


class ClassRef(Ref):
    """Reference to a class."""

    type: Literal["class"] = "class"


class UserRef(Ref):
    """Reference to a user, a student or teacher included."""

    type: Literal["user"] = "user"


class ResourceRef(Ref):
    """Reference to a learning resource."""

    type: Literal["resource"] = "resource"
