"""One request to a SCIM service provider and what its answer means. Knows no resource.

Touches one outside system, through the transport it is given. Every request is bounded in time.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson

from directory_sync.domain.outcome import Missing, Rejected, Unavailable
from directory_sync.ports import Answer, Connection, NotReached, Transport
from directory_sync.targets.scim import wire
from roster_common.errors import Retriable

OK: Final = frozenset({200, 201, 204})
REQUEST_TIMEOUT_S: Final = 10.0
_TRY_LATER: Final = frozenset({401, 403, 408, 425, 429})
_MISSING: Final = 404
_SERVER_ERROR: Final = 500
_NOT_IMPLEMENTED: Final = 501


class ScimTargetAway(Retriable):
    """The target did not answer a read; nothing may be concluded from it."""


class Exchange:
    """Requests to one provider; at most `connection.concurrency` are under way at once."""

    def __init__(self, connection: Connection, transport: Transport) -> None:
        self._base = connection.url.rstrip("/")
        self._headers = {
            "authorization": f"Bearer {connection.token}",
            "accept": "application/scim+json",
            "content-type": "application/scim+json",
        }
        self._transport = transport
        self._slots = asyncio.Semaphore(connection.concurrency)

    async def change(
        self,
        method: str,
        path: str,
        *,
        body: object,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Answer | Unavailable:
        """Ask for a change with this JSON body."""
        return await self.ask(method, path, body=orjson.dumps(body), timeout_s=timeout_s)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Answer | Unavailable:
        """Send once; an answer that means "not now" is no answer."""
        async with self._slots:
            try:
                answer = await self._transport.send(
                    method,
                    self._base + path,
                    query=query,
                    headers=self._headers,
                    body=body,
                    timeout_s=timeout_s,
                )
            except NotReached as error:
                return Unavailable(
                    code=error.code,
                    retry_after_s=error.retry_after_s,
                    maybe_done=error.maybe_done,
                )
        return _later(answer.status, answer.headers) or answer


def plain_refusal(status: int, error: Mapping[str, Any]) -> Missing | Rejected | Unavailable:
    """What a refusal means where no resource says otherwise."""
    if status == _MISSING:
        return Missing()
    return _later(status, {}) or Rejected(code=wire.error_code(status, error))


def object_or_nothing(answer: Answer) -> Mapping[str, Any]:
    """The JSON object of an answer; empty when it has none."""
    try:
        return wire.read_object(answer.body)
    except wire.ScimUnreadable:
        return {}


def _later(status: int, headers: Mapping[str, str]) -> Unavailable | None:
    """Answers that mean "not now"; wrong credentials are one, because people mend them."""
    broken = status >= _SERVER_ERROR and status != _NOT_IMPLEMENTED
    if status not in _TRY_LATER and not broken:
        return None
    after = headers.get("retry-after", "")
    return Unavailable(
        code=f"http_{status}",
        retry_after_s=float(after) if after.isascii() and after.isdigit() else None,
        maybe_done=broken,
    )
