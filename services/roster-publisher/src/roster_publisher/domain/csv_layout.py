"""Which files and columns a OneRoster CSV package has, in the order of the binding. Pure data.

Source: OneRoster CSV binding 1.1 and 1.2.1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from roster_common.csv_formulas import METADATA, SYSTEM_CODE
from roster_publisher.domain.collections import COLLECTIONS, Collection

Version: TypeAlias = Literal["1.1", "1.2"]
Mode: TypeAlias = Literal["bulk", "delta"]

MANIFEST: Final = "manifest.csv"
ROLES: Final = "roles"
USER_PROFILES: Final = "userProfiles"
_HEAD: Final = ("sourcedId", "status", "dateLastModified")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of the package: rows of `collection`, whose cells stand under `columns`.

    `parts`: its rows are parts of a record, so many for one.
    """

    name: str
    collection: Collection
    columns: tuple[str, ...]
    parts: bool = False

    def header(self, metadata: Sequence[str]) -> tuple[str, ...]:
        """The whole header row; columns of our own come last."""
        return (*_HEAD, *self.columns, *(f"{METADATA}{name}" for name in metadata))


def _file(collection: str, columns: str, *, name: str | None = None) -> File:
    return File(
        name=name or collection,
        collection=COLLECTIONS[collection],
        columns=tuple(columns.split()),
        parts=name is not None,
    )


_SESSIONS: Final = _file(
    "academicSessions", "title type startDate endDate parentSourcedId schoolYear"
)
_ORGS: Final = _file("orgs", "name type identifier parentSourcedId")
_COURSES: Final = _file(
    "courses", "schoolYearSourcedId title courseCode grades orgSourcedId subjects subjectCodes"
)
_CLASSES: Final = _file(
    "classes",
    "title grades courseSourcedId classCode classType location schoolSourcedId termSourcedIds"
    " subjects subjectCodes periods",
)
_ENROLLMENTS: Final = _file(
    "enrollments", "classSourcedId schoolSourcedId userSourcedId role primary beginDate endDate"
)
_DEMOGRAPHICS: Final = _file(
    "demographics",
    "birthDate sex americanIndianOrAlaskaNative asian blackOrAfricanAmerican"
    " nativeHawaiianOrOtherPacificIslander white demographicRaceTwoOrMoreRaces"
    " hispanicOrLatinoEthnicity countryOfBirthCode stateOfBirthAbbreviation cityOfBirth"
    " publicSchoolResidenceStatus",
)
_USERS_11: Final = _file(
    "users",
    "enabledUser orgSourcedIds role username userIds givenName familyName middleName identifier"
    " email sms phone agentSourcedIds grades password",
)
_USERS_12: Final = _file(
    "users",
    "enabledUser username userIds givenName familyName middleName identifier email sms phone"
    " agentSourcedIds grades password userMasterIdentifier preferredGivenName"
    " preferredMiddleName preferredFamilyName primaryOrgSourcedId pronouns",
)
_USER_PROFILES: Final = _file(
    "users",
    "userSourcedId profileType vendorId applicationId description credentialType username password",
    name=USER_PROFILES,
)
_ROLES: Final = _file(
    "users",
    "userSourcedId roleType role beginDate endDate orgSourcedId userProfileSourcedId",
    name=ROLES,
)

# Targets before what points at them.
FILES: Final[Mapping[Version, Sequence[File]]] = {
    "1.1": (_ORGS, _SESSIONS, _COURSES, _CLASSES, _USERS_11, _DEMOGRAPHICS, _ENROLLMENTS),
    "1.2": (
        _ORGS,
        _SESSIONS,
        _COURSES,
        _CLASSES,
        _USERS_12,
        _USER_PROFILES,
        _ROLES,
        _DEMOGRAPHICS,
        _ENROLLMENTS,
    ),
}
_GRADEBOOK: Final = ("categories", "lineItems", "results")
_RESOURCES: Final = ("classResources", "courseResources", "resources")
_OTHERS: Final[Mapping[Version, Sequence[str]]] = {
    "1.1": (*_GRADEBOOK, *_RESOURCES),
    "1.2": (
        *_GRADEBOOK, *_RESOURCES, "lineItemLearningObjectiveIds", "lineItemScoreScales",
        "resultLearningObjectiveIds", "resultScoreScales", "scoreScales", "userResources",
    ),
}  # fmt: skip


def manifest(version: Version, mode: Mode, files: Sequence[File]) -> Sequence[tuple[str, str]]:
    """Rows of the manifest, header first: every file of the version is named once."""
    names = sorted({*_OTHERS[version], *(file.name for file in FILES[version])})
    there = {file.name for file in files}
    stated = [(f"file.{name}", mode if name in there else "absent") for name in names]
    head = [
        ("propertyName", "value"),
        ("manifest.version", "1.0"),
        ("oneroster.version", version),
    ]
    return [*head, *stated, ("source.systemName", "Homeroom"), ("source.systemCode", SYSTEM_CODE)]
