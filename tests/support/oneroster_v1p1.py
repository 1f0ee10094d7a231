"""OneRoster 1.1 bodies, described by hand and beside the product: which fields, of which kind.

Knows nothing of 1.2. Every object is closed here, so a field of another version is an error.
Source: OneRoster 1.1, data model.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Row = dict[str, Any]
Check = Callable[[Any], bool]

HREF = "http://roster.test/ims/oneroster/v1p1/"
ROLES = {
    "administrator",
    "aide",
    "guardian",
    "parent",
    "proctor",
    "relative",
    "student",
    "teacher",
}
COLLECTIONS = {
    "orgs": "orgs",
    "schools": "orgs",
    "academicSessions": "academicSessions",
    "terms": "academicSessions",
    "gradingPeriods": "academicSessions",
    "courses": "courses",
    "classes": "classes",
    "users": "users",
    "students": "users",
    "teachers": "users",
    "enrollments": "enrollments",
    "demographics": "demographics",
}
SINGLES = {
    "orgs": "org",
    "academicSessions": "academicSession",
    "courses": "course",
    "classes": "class",
    "users": "user",
    "enrollments": "enrollment",
    "demographics": "demographics",
}
_ANSWERS = (
    "americanIndianOrAlaskaNative",
    "asian",
    "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander",
    "white",
    "demographicRaceTwoOrMoreRaces",
    "hispanicOrLatinoEthnicity",
)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return value is True or value is False


def _day(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None


def _moment(value: Any) -> bool:
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _among(*words: str) -> Check:
    return lambda value: value in words


def _ref(kind: str, path: str) -> Check:
    def holds(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and value.keys() == {"href", "sourcedId", "type"}
            and value["type"] == kind
            and value["href"] == f"{HREF}{path}/{value['sourcedId']}"
        )

    return holds


def _refs(one: Check) -> Check:
    return lambda value: isinstance(value, list) and all(one(each) for each in value)


def _pairs(value: Any) -> bool:
    return isinstance(value, list) and all(one.keys() == {"type", "identifier"} for one in value)


_ORG = _ref("org", "orgs")
_SESSION = _ref("academicSession", "academicSessions")
_USER = _ref("user", "users")
_HEAD = {"sourcedId": _text, "status": _among("active", "tobedeleted"), "dateLastModified": _moment}
_MORE = {"metadata": lambda value: isinstance(value, dict)}

# Required fields, then the others.
OBJECTS: Mapping[str, tuple[Mapping[str, Check], Mapping[str, Check]]] = {
    "orgs": (
        {
            "name": _text,
            "type": _among("department", "school", "district", "local", "state", "national"),
        },
        {"identifier": _text, "parent": _ORG, "children": _refs(_ORG)},
    ),
    "academicSessions": (
        {
            "title": _text,
            "startDate": _day,
            "endDate": _day,
            "type": _among("gradingPeriod", "semester", "schoolYear", "term"),
            "schoolYear": _text,
        },
        {"parent": _SESSION, "children": _refs(_SESSION)},
    ),
    "courses": (
        {"title": _text, "courseCode": _text},
        {
            "schoolYear": _SESSION,
            "grades": _texts,
            "subjects": _texts,
            "subjectCodes": _texts,
            "org": _ORG,
        },
    ),
    "classes": (
        {
            "title": _text,
            "course": _ref("course", "courses"),
            "school": _ORG,
            "terms": _refs(_SESSION),
        },
        {
            "classCode": _text,
            "classType": _among("homeroom", "scheduled"),
            "location": _text,
            "grades": _texts,
            "subjects": _texts,
            "subjectCodes": _texts,
            "periods": _text,
        },
    ),
    "users": (
        {
            "username": _text,
            "enabledUser": _flag,
            "givenName": _text,
            "familyName": _text,
            "role": _among(*ROLES),
            "orgs": _refs(_ORG),
        },
        {
            "userIds": _pairs,
            "middleName": _text,
            "identifier": _text,
            "email": _text,
            "sms": _text,
            "phone": _text,
            "agents": _refs(_USER),
            "grades": _texts,
        },
    ),
    "enrollments": (
        {
            "user": _USER,
            "class": _ref("class", "classes"),
            "school": _ORG,
            "role": _among(*ROLES),
        },
        {"primary": _flag, "beginDate": _day, "endDate": _day},
    ),
    "demographics": (
        {},
        {
            "birthDate": _day,
            "sex": _among("male", "female"),
            **dict.fromkeys(_ANSWERS, _flag),
            "countryOfBirthCode": _text,
            "stateOfBirthAbbreviation": _text,
            "cityOfBirth": _text,
            "publicSchoolResidenceStatus": _text,
        },
    ),
}


def check_v1p1(kind: str, row: Row) -> None:
    """Raises when the object is not as 1.1 describes it; `kind` is the key of its collection."""
    required, optional = OBJECTS[kind]
    known = _HEAD | _MORE | required | optional
    assert row.keys() <= known.keys(), (kind, row.keys() - known.keys())
    assert row.keys() >= _HEAD.keys() | required.keys(), (kind, row)
    for name, value in row.items():
        assert known[name](value), (kind, name, value)


def check_v1p1_status(body: Row, *, severity: str, minor: str) -> None:
    """Raises when the body is not a status object of 1.1 that says this."""
    assert body.keys() == {
        "imsx_codeMajor",
        "imsx_severity",
        "imsx_messageRefIdentifier",
        "imsx_description",
        "imsx_CodeMinor",
    }
    assert body["imsx_codeMajor"] == ("failure" if severity == "error" else "success")
    assert body["imsx_severity"] == severity
    assert body["imsx_messageRefIdentifier"]
    (field,) = body["imsx_CodeMinor"]["imsx_codeMinorField"]
    assert field["imsx_codeMinorFieldValue"] == minor
