"""Holds answers against the OneRoster 1.2 OpenAPI document: ours, and the official file as well
where it is at hand, which is not ours to ship.

Every answer must be as both want it: status, headers, and a body that is closed and complete.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs

from roster_publisher.entrypoints.oneroster.openapi import document

_PLACE = "shared/reference/openapi/onerosterv1p2rostersservice_openapi3_v1p0.json"
_HERE = Path(__file__).resolve()
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
_ERROR = "imsx_StatusInfoDType"
# What we answer beyond the official file, which has `default` for it.
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@cache
def official_document() -> dict[str, Any] | None:
    """The official file, where it stands beside the project."""
    found = next((one / _PLACE for one in _HERE.parents if (one / _PLACE).exists()), None)
    return None if found is None else json.loads(found.read_text())


@cache
def our_document() -> dict[str, Any]:
    """The document that we generate and serve."""
    return document(server="http://roster.test", token_url="http://roster.test/oauth2/token")


def documents() -> Iterator[dict[str, Any]]:
    """Ours, and the official one if it is there."""
    yield our_document()
    official = official_document()
    if official is not None:
        yield official


def check_collection(body: dict[str, Any]) -> None:
    """Raises when a collection's body is not as the specification wants it."""
    (key,) = body
    _check(_SETS[key], body)


def check_single(body: dict[str, Any]) -> None:
    """Raises when a single object's body is not as the specification wants it."""
    (key,) = body
    _check(_SINGLES[key], body)


def check_error(body: dict[str, Any]) -> None:
    """Raises when an error body is not the bare status object."""
    _check(_ERROR, body)


def check_answer(path: str, answer: httpx2.Response) -> None:
    """Raises when an answer is none of those that the operation of `path` has.

    `path` is as the specification writes it, with names of parameters in braces.
    """
    assert answer.headers["content-type"] == "application/json"
    for number, whole in enumerate(documents()):
        responses = whole["paths"][path]["get"]["responses"]
        response = responses.get(str(answer.status_code)) or responses["default"]
        for header, described in response.get("headers", {}).items():
            text = answer.headers[header]
            assert described["schema"]["type"] != "integer" or text.isdecimal()
        reference = response["content"]["application/json"]["schema"]["$ref"]
        _validator(number, reference).validate(answer.json())


def _check(name: str, body: Mapping[str, Any]) -> None:
    for number, _ in enumerate(documents()):
        _validator(number, f"#/components/schemas/{name}").validate(body)


@cache
def _validator(number: int, reference: str) -> jsonschema_rs.Draft4Validator:
    whole = list(documents())[number]
    return jsonschema_rs.Draft4Validator(
        {"components": whole["components"], "allOf": [{"$ref": reference}]},
        validate_formats=True,
        # Draft 4 does not know this one, which OpenAPI 3.0 has.
        formats={"date": lambda text: _DAY.fullmatch(text) is not None},
    )
