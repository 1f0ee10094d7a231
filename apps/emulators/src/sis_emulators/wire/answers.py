"""Answers in JSON."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response


class Json(Response):
    """A body in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encodes it; dates as ISO 8601."""
        return orjson.dumps(content)


async def told(request: Request) -> dict[str, Any]:
    """The JSON object of a request, empty where there is no body. Raises ValueError or
    TypeError.
    """
    raw = await request.body()
    body = orjson.loads(raw) if raw else {}
    if not isinstance(body, dict):
        raise TypeError("the body is no JSON object")
    return body


def base_url(request: Request) -> str:
    """Scheme and host as the client wrote them, without a slash at the end."""
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
