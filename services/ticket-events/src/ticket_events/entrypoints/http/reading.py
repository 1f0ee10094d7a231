"""Reads request bodies piece by piece, within a bound. A door's tool: knows no use case."""

from fastapi import Request

from roster_common.runtime.problems import FieldError, Problem


async def read_body(request: Request, *, limit_bytes: int) -> bytes:
    """The whole body. Raises a 413 problem as soon as it is over the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise _too_large(limit_bytes)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
    return bytes(body)


def _too_large(limit_bytes: int) -> Problem:
    return Problem(
        413,
        "too_large",
        "The body is too large",
        errors=[FieldError(field="body", message=f"at most {limit_bytes} bytes")],
    )
