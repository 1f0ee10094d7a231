"""Holds bodies against the official OneRoster 1.2 OpenAPI file, where that file is at hand.

The file is not ours to ship: without it the check passes, and our own expectations still stand.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

_FILE = (
    Path(__file__).parents[3]
    / "shared/reference/openapi/onerosterv1p2rostersservice_openapi3_v1p0.json"
)
_SETS = {
    "orgs": "OrgSetDType",
    "academicSessions": "AcademicSessionSetDType",
    "courses": "CourseSetDType",
    "classes": "ClassSetDType",
    "users": "UserSetDType",
    "enrollments": "EnrollmentSetDType",
    "demographics": "DemographicsSetDType",
}
_SINGLES = {
    "org": "SingleOrgDType",
    "academicSession": "SingleAcademicSessionDType",
    "course": "SingleCourseDType",
    "class": "SingleClassDType",
    "user": "SingleUserDType",
    "enrollment": "SingleEnrollmentDType",
    "demographics": "SingleDemographicsDType",
}


def check_collection(body: dict[str, Any]) -> None:
    """Raises when a collection's body is not as the official file wants it."""
    (key,) = body
    _check(_SETS[key], body)


def check_single(body: dict[str, Any]) -> None:
    """Raises when a single object's body is not as the official file wants it."""
    (key,) = body
    _check(_SINGLES[key], body)


def check_error(body: dict[str, Any]) -> None:
    """Raises when an error body is not the bare status object."""
    _check("imsx_StatusInfoDType", body)


def _check(name: str, body: dict[str, Any]) -> None:
    if _FILE.exists():
        _validator(name).validate(body)


@cache
def _validator(name: str) -> jsonschema.Draft4Validator:
    document = json.loads(_FILE.read_text())
    registry: Registry[Any] = Registry().with_resource(
        "urn:oneroster", Resource(contents=document, specification=DRAFT4)
    )
    return jsonschema.Draft4Validator(
        {"$ref": f"urn:oneroster#/components/schemas/{name}"},
        registry=registry,
        format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER,
    )
