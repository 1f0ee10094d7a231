"""Refusals as problem documents (RFC 9457): what is wrong and where, never the value given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from roster_common.errors import HomeroomError
from roster_common.runtime import tracing

logger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing wrong: `field` is a path, `message` a rule, `location` a file and row or a part."""

    field: str
    message: str
    location: str | None = None


class Problem(HomeroomError):
    """Refuses a request. `code` is stable and ends the problem's type URI."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        *,
        detail: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {title}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def problem_response(problem: Problem) -> JSONResponse:
    """The document of a problem, with the correlation id of the request."""
    body: dict[str, object] = {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "correlationId": tracing.correlation_id.get(),
    }
    if problem.detail is not None:
        body["detail"] = problem.detail
    if problem.errors:
        body["errors"] = [
            {"field": e.field, "message": e.message}
            | ({"location": e.location} if e.location is not None else {})
            for e in problem.errors
        ]
    return JSONResponse(
        body, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every refusal and failure of `app` with a problem document."""

    async def on_problem(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, Problem):
            raise error
        return problem_response(error)

    async def on_validation(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise error
        errors = [
            FieldError(field=".".join(str(part) for part in item["loc"]), message=item["type"])
            for item in error.errors()
        ]
        return problem_response(
            Problem(422, "invalid-request", "The request does not have the expected form",
                    errors=errors)
        )

    async def on_http(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise error
        headers = dict(error.headers or {})
        return problem_response(
            Problem(error.status_code, f"http-{error.status_code}", str(error.detail),
                    headers=headers)
        )

    async def on_failure(_request: Request, error: Exception) -> JSONResponse:
        logger.error("request_failed", exc_info=error)
        return problem_response(Problem(500, "internal-error", "The service failed"))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_failure)
