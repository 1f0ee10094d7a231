"""The bodies of OneRoster 1.2 rostering as JSON Schema in the dialect of OpenAPI 3.0.

Named and shaped as in the specification, so that what is generated from either file fits the other.
`password` and `resources` are left out, because they are never sent; nothing else differs.
Source: OneRoster 1.2 rostering OpenAPI file.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from roster_common.contracts.oneroster_values import (
    CLASS_TYPES,
    ENROLLMENT_ROLES,
    ORG_TYPES,
    SESSION_TYPES,
    SEXES,
    USER_ROLES,
)
from roster_publisher.domain.records import Entity

Schema: TypeAlias = dict[str, Any]

NAMES: Final[Mapping[Entity, str]] = {
    "org": "Org",
    "academicSession": "AcademicSession",
    "course": "Course",
    "class": "Class",
    "user": "User",
    "demographics": "Demographics",
    "enrollment": "Enrollment",
}
# Keys of a page and of a single object.
_KEYS: Final[Mapping[Entity, tuple[str, str]]] = {
    "org": ("orgs", "org"),
    "academicSession": ("academicSessions", "academicSession"),
    "course": ("courses", "course"),
    "class": ("classes", "class"),
    "user": ("users", "user"),
    "demographics": ("demographics", "demographics"),
    "enrollment": ("enrollments", "enrollment"),
}
ERROR: Final = "imsx_StatusInfoDType"
CODE_MINORS: Final = (
    "fullsuccess",
    "invalid_filter_field",
    "invalid_selection_field",
    "invaliddata",
    "unauthorisedrequest",
    "forbidden",
    "server_busy",
    "unknownobject",
    "internal_server_error",
)

_TEXT: Final[Schema] = {"type": "string"}
_DAY: Final[Schema] = {"type": "string", "format": "date"}
_URI: Final[Schema] = {"type": "string", "format": "uri"}


def schemas() -> dict[str, Schema]:
    """Every schema by its name in the specification."""
    named = _references() | _errors() | _parts() | _objects()
    for entity, name in NAMES.items():
        many, one = _KEYS[entity]
        rows = _list_of(f"{name}DType")
        named[f"{name}SetDType"] = _closed({many: rows})
        named[f"Single{name}DType"] = _closed({one: pointer(f"{name}DType")}, one)
    return named


def pointer(name: str) -> Schema:
    """A reference to a schema of this document."""
    return {"$ref": f"#/components/schemas/{name}"}


def _objects() -> dict[str, Schema]:
    return {
        "OrgDType": _object(
            {"name": _TEXT, "type": _open(*ORG_TYPES), "identifier": _TEXT},
            {"parent": pointer("OrgGUIDRefDType"), "children": _list_of("OrgGUIDRefDType")},
        ),
        "AcademicSessionDType": _object(
            {
                "title": _TEXT,
                "startDate": _DAY,
                "endDate": _DAY,
                "type": _open(*SESSION_TYPES),
                "schoolYear": _TEXT,
            },
            {
                "parent": pointer("AcadSessionGUIDRefDType"),
                "children": _list_of("AcadSessionGUIDRefDType"),
            },
        ),
        "CourseDType": _object(
            {"title": _TEXT, "courseCode": _TEXT},
            {
                "schoolYear": pointer("AcadSessionGUIDRefDType"),
                "org": pointer("OrgGUIDRefDType"),
                **_texts("grades", "subjects", "subjectCodes"),
            },
        ),
        "ClassDType": _object(
            {
                "title": _TEXT,
                "course": pointer("CourseGUIDRefDType"),
                "school": pointer("OrgGUIDRefDType"),
                "terms": _list_of("AcadSessionGUIDRefDType", at_least=1),
            },
            {
                "classCode": _TEXT,
                "classType": _open(*CLASS_TYPES),
                "location": _TEXT,
                **_texts("grades", "subjects", "subjectCodes", "periods"),
            },
        ),
        "UserDType": _user(),
        "EnrollmentDType": _object(
            {
                "user": pointer("UserGUIDRefDType"),
                "class": pointer("ClassGUIDRefDType"),
                "school": pointer("OrgGUIDRefDType"),
                "role": _open(*ENROLLMENT_ROLES),
            },
            {"primary": _one_of("true", "false"), "beginDate": _DAY, "endDate": _DAY},
        ),
        "DemographicsDType": _demographics(),
    }


def _user() -> Schema:
    names = ("middleName", "preferredFirstName", "preferredMiddleName", "preferredLastName")
    ids = ("userMasterIdentifier", "username", "identifier", "email", "sms", "phone", "pronouns")
    return _object(
        {
            "enabledUser": _one_of("true", "false"),
            "givenName": _TEXT,
            "familyName": _TEXT,
            "roles": _list_of("RoleDType", at_least=1),
        },
        {
            **dict.fromkeys((*names, *ids), _TEXT),
            "userIds": _list_of("UserIdDType"),
            "userProfiles": _list_of("UserProfileDType"),
            "primaryOrg": pointer("OrgGUIDRefDType"),
            "agents": _list_of("UserGUIDRefDType"),
            **_texts("grades"),
        },
    )


def _demographics() -> Schema:
    answers = (
        "americanIndianOrAlaskaNative",
        "asian",
        "blackOrAfricanAmerican",
        "nativeHawaiianOrOtherPacificIslander",
        "white",
        "demographicRaceTwoOrMoreRaces",
        "hispanicOrLatinoEthnicity",
    )
    texts = (
        "countryOfBirthCode",
        "stateOfBirthAbbreviation",
        "cityOfBirth",
        "publicSchoolResidenceStatus",
    )
    return _object(
        {},
        {
            "birthDate": _DAY,
            "sex": _open(*SEXES),
            **dict.fromkeys(answers, _one_of("true", "false")),
            **dict.fromkeys(texts, _TEXT),
        },
    )


def _parts() -> dict[str, Schema]:
    """What stands inside objects."""
    profile = {"profileId": _URI, "profileType": _TEXT, "vendorId": _TEXT}
    credential = _closed({"type": _TEXT, "username": _TEXT}, "type", "username")
    role = {
        "roleType": _one_of("primary", "secondary"),
        "role": _open(*USER_ROLES),
        "org": pointer("OrgGUIDRefDType"),
    }
    return {
        "MetadataDType": {"type": "object", "properties": {}, "additionalProperties": True},
        "UserIdDType": _closed({"type": _TEXT, "identifier": _TEXT}, "type", "identifier"),
        "RoleDType": _closed(
            role | {"userProfile": _URI, "beginDate": _DAY, "endDate": _DAY}, *role
        ),
        "CredentialDType": credential | {"additionalProperties": True},
        "UserProfileDType": _closed(
            profile
            | {
                "applicationId": _TEXT,
                "description": _TEXT,
                "credentials": _list_of("CredentialDType"),
            },
            *profile,
        ),
    }


def _references() -> dict[str, Schema]:
    kinds = {
        "AcadSession": "academicSession",
        "Class": "class",
        "Course": "course",
        "Org": "org",
        "User": "user",
    }
    return {
        f"{name}GUIDRefDType": _closed(
            {"href": _URI, "sourcedId": _TEXT, "type": _one_of(kind)}, "href", "sourcedId", "type"
        )
        for name, kind in kinds.items()
    }


def _errors() -> dict[str, Schema]:
    name, value = "imsx_codeMinorFieldName", "imsx_codeMinorFieldValue"
    fields = _list_of("imsx_CodeMinorFieldDType", at_least=1)
    major = {
        "imsx_codeMajor": _one_of("success", "processing", "failure", "unsupported"),
        "imsx_severity": _one_of("status", "warning", "error"),
    }
    return {
        "imsx_CodeMinorFieldDType": _closed(
            {name: _TEXT | {"default": "TargetEndSystem"}, value: _one_of(*CODE_MINORS)},
            name,
            value,
        ),
        "imsx_CodeMinorDType": _closed({"imsx_codeMinorField": fields}, "imsx_codeMinorField"),
        ERROR: _closed(
            major | {"imsx_description": _TEXT, "imsx_CodeMinor": pointer("imsx_CodeMinorDType")},
            *major,
        ),
    }


def _object(required: dict[str, Schema], optional: dict[str, Schema]) -> Schema:
    """An object with what every object begins with."""
    head = {
        "sourcedId": _TEXT,
        "status": _one_of("active", "tobedeleted"),
        "dateLastModified": {"type": "string", "format": "date-time"},
    }
    metadata = {"metadata": pointer("MetadataDType")}
    return _closed(head | metadata | required | optional, *head, *required)


def _closed(properties: dict[str, Schema], *required: str) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | {"required": list(required)} if required else schema


def _list_of(name: str, *, at_least: int = 0) -> Schema:
    return {"type": "array", "minItems": at_least, "items": pointer(name)}


def _texts(*names: str) -> dict[str, Schema]:
    return {name: {"type": "array", "minItems": 0, "items": _TEXT} for name in names}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def _open(*words: str) -> Schema:
    """An enumeration that takes `ext:` words too."""
    extension = {"type": "string", "pattern": r"(ext:)[a-zA-Z0-9\.\-_]+"}
    return {"anyOf": [_one_of(*words), extension]}
