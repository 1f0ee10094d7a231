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

from roster_publisher.entrypoints.oneroster.openapi import V1P1_EDITION, document

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


@cache
def our_v1p1_document() -> dict[str, Any]:
    """The document of 1.1, for which there is no official file."""
    return document(
        server="http://roster.test",
        token_url="http://roster.test/oauth2/token",
        edition=V1P1_EDITION,
    )


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
    for number, whole in enumerate(documents()):
        reference = _described(whole, path, answer)
        _validator(number, reference).validate(answer.json())


def check_v1p1_answer(path: str, answer: httpx2.Response) -> None:
    """The same for an answer of 1.1."""
    reference = _described(our_v1p1_document(), path, answer)
    _v1p1_validator(reference).validate(answer.json())


def _described(whole: Mapping[str, Any], path: str, answer: httpx2.Response) -> str:
    """The schema of an answer; raises when its headers are not as the document has them."""
    assert answer.headers["content-type"] == "application/json"
    responses = whole["paths"][path]["get"]["responses"]
    response = responses.get(str(answer.status_code)) or responses["default"]
    for header, described in response.get("headers", {}).items():
        text = answer.headers[header]
        assert described["schema"]["type"] != "integer" or text.isdecimal()
    return str(response["content"]["application/json"]["schema"]["$ref"])


def _check(name: str, body: Mapping[str, Any]) -> None:
    for number, _ in enumerate(documents()):
        _validator(number, f"#/components/schemas/{name}").validate(body)


@cache
def _validator(number: int, reference: str) -> jsonschema_rs.Draft4Validator:
    return _of(list(documents())[number], reference)


@cache
def _v1p1_validator(reference: str) -> jsonschema_rs.Draft4Validator:
    return _of(our_v1p1_document(), reference)


def _of(whole: Mapping[str, Any], reference: str) -> jsonschema_rs.Draft4Validator:
    return jsonschema_rs.Draft4Validator(
        {"components": whole["components"], "allOf": [{"$ref": reference}]},
        validate_formats=True,
        # Draft 4 does not know this one, which OpenAPI 3.0 has.
        formats={"date": lambda text: _DAY.fullmatch(text) is not None},
    )
