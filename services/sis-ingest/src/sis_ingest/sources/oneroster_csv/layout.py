"""Which files and columns a OneRoster CSV package has. Pure data.

Source: OneRoster CSV binding 1.0, 1.1 and 1.2.1. Optional columns are not listed: what a header
does not name is simply not stated. `metadata.*` columns are kept, others are named in a warning.
"""

from dataclasses import dataclass, replace
from typing import Final

from sis_ingest.domain.entities import Entity

MANIFEST: Final = "manifest.csv"


def is_metadata(column: str) -> bool:
    """Whether we keep a column that OneRoster leaves to each system: never a password."""
    return column.startswith("metadata.") and "password" not in column.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of the package: the columns it must have and those we also read.

    `needed`: a bulk file of it without rows is a fault and not an order to empty the district.
    """

    entity: Entity
    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    needed: bool = False

    @property
    def file(self) -> str:
        """Its name in the package."""
        return f"{self.name}.csv"

    @property
    def must_have(self) -> tuple[str, ...]:
        """Every column without which it cannot be read."""
        return (*(() if self is ROLES else ("sourcedId",)), *self.required)

    @property
    def known(self) -> frozenset[str]:
        """Every column we read."""
        return frozenset(
            {"sourcedId", "status", "dateLastModified"}.union(self.required, self.optional)
        )


_PERSON: Final = (
    "userIds", "middleName", "identifier", "email", "sms", "phone", "agentSourcedIds", "grades",
)  # fmt: skip
_RACES: Final = (
    "americanIndianOrAlaskaNative", "asian", "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander", "white", "demographicRaceTwoOrMoreRaces",
    "hispanicOrLatinoEthnicity",
)  # fmt: skip

FLAGS: Final = frozenset(_RACES)

_ORGS: Final = File(
    entity="org",
    name="orgs",
    required=("name", "type"),
    optional=("identifier", "parentSourcedId"),
    needed=True,
)
_SESSIONS: Final = File(
    entity="academicSession",
    name="academicSessions",
    required=("title", "type", "startDate", "endDate", "schoolYear"),
    optional=("parentSourcedId",),
)
_COURSES: Final = File(
    entity="course",
    name="courses",
    required=("title",),
    optional=(
        "schoolYearSourcedId", "courseCode", "grades", "orgSourcedId", "subjects", "subjectCodes",
    ),
)  # fmt: skip
_CLASSES: Final = File(
    entity="class",
    name="classes",
    required=("title", "courseSourcedId", "schoolSourcedId", "termSourcedIds"),
    optional=(
        "classCode", "classType", "location", "grades", "subjects", "subjectCodes", "periods",
    ),
    needed=True,
)  # fmt: skip
_USERS_11: Final = File(
    entity="user",
    name="users",
    required=("enabledUser", "orgSourcedIds", "role", "username", "givenName", "familyName"),
    optional=(*_PERSON, "password"),
    needed=True,
)
_USERS_12: Final = File(
    entity="user",
    name="users",
    required=("enabledUser", "username", "givenName", "familyName"),
    optional=(
        *_PERSON, "password", "userMasterIdentifier", "preferredGivenName", "preferredMiddleName",
        "preferredFamilyName", "primaryOrgSourcedId", "pronouns", "resourceSourcedIds",
    ),
    needed=True,
)  # fmt: skip
_DEMOGRAPHICS: Final = File(
    entity="demographics",
    name="demographics",
    required=(),
    optional=(
        "birthDate", "sex", *_RACES, "countryOfBirthCode", "stateOfBirthAbbreviation",
        "cityOfBirth", "publicSchoolResidenceStatus",
    ),
)  # fmt: skip
_ENROLLMENTS: Final = File(
    entity="enrollment",
    name="enrollments",
    required=("classSourcedId", "schoolSourcedId", "userSourcedId", "role"),
    optional=("primary", "beginDate", "endDate"),
    needed=True,
)

# 1.2 keeps a person's roles in a file of its own, joined to users while reading.
ROLES: Final = File(
    entity="user",
    name="roles",
    required=("userSourcedId", "roleType", "role", "orgSourcedId"),
    optional=("beginDate", "endDate", "userProfileSourcedId"),
)

# In import order: targets before what points at them.
FILES_11: Final = (_ORGS, _SESSIONS, _COURSES, _CLASSES, _USERS_11, _DEMOGRAPHICS, _ENROLLMENTS)
FILES_12: Final = (_ORGS, _SESSIONS, _COURSES, _CLASSES, _USERS_12, _DEMOGRAPHICS, _ENROLLMENTS)
# 1.0 has neither the school year of a session nor the switch of an account.
FILES_10: Final = (
    _ORGS,
    replace(
        _SESSIONS,
        required=("title", "type", "startDate", "endDate"),
        optional=("parentSourcedId", "schoolYear"),
    ),
    _COURSES,
    _CLASSES,
    replace(
        _USERS_11,
        required=("orgSourcedIds", "role", "username", "givenName", "familyName"),
        optional=(*_PERSON, "password", "enabledUser", "userId"),
    ),
    _DEMOGRAPHICS,
    _ENROLLMENTS,
)
