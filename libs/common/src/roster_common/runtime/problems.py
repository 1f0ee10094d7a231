"""Errors to callers over HTTP as problem documents (RFC 9457), with a stable code each.

No text of an inner error and no input value ever goes out; the correlation id leads to the log.
The OneRoster pages answer in their own protocol's form instead.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from roster_common.errors import HomeroomError, Retriable
from roster_common.runtime.correlation import correlation_id

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 100

_SAFE_SEGMENT = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One fault of the input: where, and a code for what. Never the value.

    `location` is body, query, path, header or cookie; None when that says nothing.
    """

    field: str
    message: str
    location: str | None = None


class Problem(HomeroomError):
    """An answer to the caller other than success. `code` is stable and part of our interface."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def problem_response(problem: Problem) -> Response:
    """Render `problem`; also for plain ASGI applications, which have no exception handlers."""
    document: dict[str, object] = {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
    }
    if problem.detail is not None:
        document["detail"] = problem.detail
    if problem.errors:
        document["errors"] = [
            {"field": one.field, "message": one.message, "location": one.location}
            for one in problem.errors[:MAX_FIELD_ERRORS]
        ]
    found = correlation_id.get()
    if found is not None:
        document["correlationId"] = found
    return Response(
        orjson.dumps(document),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make `app` answer every error as a problem document.

    What nobody foresaw is answered by `tracing.CorrelationMiddleware`, which stands further out.
    """
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(Retriable, _answer_retriable)


def unforeseen() -> Problem:
    """Give the answer to an error that nobody foresaw."""
    return Problem(500, "internal_error", "Something went wrong here")


def field_errors(faults: Sequence[Mapping[str, object]], *, skip: int = 0) -> list[FieldError]:
    """Turn pydantic's `errors()` into ours; `skip` leading parts of the path name the location."""
    found = []
    for fault in faults:
        path = fault.get("loc")
        parts = tuple(path) if isinstance(path, tuple | list) else ()
        found.append(
            FieldError(
                field=".".join(_segment(part) for part in parts[skip:]),
                message=str(fault.get("type", "invalid")),
                location=_segment(parts[0]) if skip and parts else None,
            )
        )
    return found


def _segment(part: object) -> str:
    """Show a part of a path unless it could be a value: keys of free maps come from the caller."""
    if isinstance(part, int):
        return str(part)
    return part if isinstance(part, str) and _SAFE_SEGMENT.fullmatch(part) else "*"


async def _answer_problem(_request: Request, error: Exception) -> Response:
    return problem_response(error if isinstance(error, Problem) else unforeseen())


async def _answer_validation(_request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else ()
    return problem_response(
        Problem(
            422,
            "invalid_request",
            "The request does not have the required form",
            errors=field_errors(faults, skip=1),
        )
    )


async def _answer_http_exception(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return problem_response(unforeseen())
    title = HTTPStatus(error.status_code).phrase
    code = re.sub(r"[^a-z]+", "_", title.lower()).strip("_")
    return problem_response(Problem(error.status_code, code, title, headers=error.headers))


async def _answer_retriable(_request: Request, _error: Exception) -> Response:
    return problem_response(
        Problem(
            503,
            "try_again",
            "Something this depends on is not ready; try again",
            headers={"retry-after": "2"},
        )
    )
