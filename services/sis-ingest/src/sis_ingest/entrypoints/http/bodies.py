"""Reads request bodies piece by piece, within a bound. A door's tool: knows no use case."""

from collections.abc import AsyncIterator

from fastapi import Request

from roster_common.runtime.problems import FieldError, Problem


def too_large(limit_bytes: int) -> Problem:
    """413: what was sent is thrown away."""
    return Problem(
        413,
        "too_large",
        "The body is too large",
        errors=[FieldError(field="body", message=f"at most {limit_bytes} bytes")],
    )


async def read_body(request: Request, *, limit_bytes: int) -> bytes:
    """The whole body. Raises a 413 problem as soon as it is over the limit, unread."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise too_large(limit_bytes)
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit_bytes:
            raise too_large(limit_bytes)
        pieces.append(piece)
    return b"".join(pieces)


async def body_pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives."""
    async for piece in request.stream():
        if piece:
            yield piece
