"""Sends one OneRoster answer: whole, or piece by piece as it is read."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from roster_publisher.entrypoints.oneroster.errors import Fault, status_info
from roster_publisher.usecases.note_pulls import Noted

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

_JSON: Final = (b"content-type", b"application/json")


class Answer:
    """Sends one answer; knows whether it has begun. `message` is the request's id, said by 1.1."""

    def __init__(self, send: Send, message: str | None, noted: Noted) -> None:
        self._send = send
        self._message = message
        self.noted = noted
        self.started = False

    async def fault(self, fault: Fault) -> None:
        """An error answer."""
        await self.whole(fault.body(self._message), list(fault.headers), status=fault.http)

    def warned(self, warnings: Sequence[tuple[str, str]]) -> bytes:
        """What stands in a body beside its objects: nothing, or a comma and the warnings of 1.1."""
        if self._message is None or not warnings:
            return b""
        told = [
            status_info("success", "warning", minor, description)
            | {"imsx_messageRefIdentifier": self._message}
            for minor, description in warnings
        ]
        return b',"statusInfoSet":%b' % orjson.dumps(told)

    async def whole(self, body: bytes, extra: Headers, *, status: int = 200) -> None:
        """An answer whose length is known."""
        await self._start([_JSON, (b"content-length", str(len(body)).encode()), *extra], status)
        await self._send({"type": "http.response.body", "body": body})

    async def stream(
        self, opening: bytes, chunks: AsyncIterator[bytes], closing: bytes, extra: Headers
    ) -> None:
        """Chunks joined by commas. One chunk goes out whole; more are sent as they are read."""
        held: bytes | None = None
        first = opening
        async for chunk in chunks:
            if held is not None:
                if not self.started:
                    await self._start([_JSON, *extra], 200)
                body = first + held + b","
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
                first = b""
            held = chunk
        last = first + (held or b"") + closing
        if self.started:
            await self._send({"type": "http.response.body", "body": last})
        else:
            await self.whole(last, extra)

    async def _start(self, headers: Headers, status: int) -> None:
        self.started, self.noted.status = True, status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
