"""Stands before a face: counts every request, holds its limits, and does the faults of answers.

Paths that begin with `/_` are the back door of tests and pass untouched.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sis_emulators.evidence import Evidence
from sis_emulators.faults import Faults
from sis_emulators.wire.answers import Json

NOBODY = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`at_once` requests in parallel; `interval_s` between the beginnings of two; 0 is none."""

    at_once: int = 0
    interval_s: float = 0.0


class Guard:
    """ASGI middleware around one face."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        evidence: Evidence,
        faults: Faults,
        limits: Limits,
        expire_tokens: Callable[[], None],
        rekey: Callable[[], object],
    ) -> None:
        self._app = app
        self._evidence = evidence
        self._faults = faults
        self._limits = limits
        self._expire_tokens = expire_tokens
        self._rekey = rekey
        self._last = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            await self._app(scope, receive, send)
            return
        self._evidence.enter()
        try:
            await self._serve(scope, receive, _Counting(send, self._evidence))
        finally:
            self._evidence.leave()
            path = _template(scope)
            client = scope.get("state", {}).get("client", NOBODY)
            self._evidence.requests[f"{scope['method']} {path}"][client] += 1

    async def _serve(self, scope: Scope, receive: Receive, send: "_Counting") -> None:
        path: str = scope["path"]
        refused = self._over_limit() or self._broken(path)
        if (slow := self._faults.strike("slow", path)) is not None:
            await asyncio.sleep(slow.amount)
        if refused is not None:
            await refused(scope, receive, send)
            return
        if self._faults.strike("token_expiry", path) is not None:
            self._expire_tokens()
        if self._faults.strike("rekey", path) is not None:
            self._rekey()
        if (cut := self._faults.strike("malformed", path)) is not None:
            send.cut(cut.amount)
        await self._app(scope, receive, send)

    def _over_limit(self) -> Json | None:
        now = time.monotonic()
        waited = now - self._last
        if waited < self._limits.interval_s:
            self._evidence.refusals["throttled"] += 1
            return _wait(self._limits.interval_s - waited)
        self._last = now
        if 0 < self._limits.at_once < self._evidence.at_once:
            self._evidence.refusals["too_many_at_once"] += 1
            return _wait(1)
        return None

    def _broken(self, path: str) -> Json | None:
        if (fault := self._faults.strike("too_many_requests", path)) is not None:
            return _wait(fault.amount)
        if (fault := self._faults.strike("server_error", path)) is not None:
            return Json({"message": "made to fail by a fault"}, status_code=int(fault.amount))
        return None


class _Counting:
    """Passes an answer on, counts its status, and cuts its body when told to."""

    def __init__(self, send: Send, evidence: Evidence) -> None:
        self._send = send
        self._evidence = evidence
        self._share = 1.0
        self._start: Message | None = None

    def cut(self, share: float) -> None:
        """Sends only this share of the body, with a length that says so."""
        self._share = share

    async def __call__(self, message: Message) -> None:
        """Takes one message of the answer."""
        if message["type"] == "http.response.start":
            self._evidence.answers[str(message["status"])] += 1
            self._start = message
            return
        start, self._start = self._start, None
        body: bytes = message.get("body", b"")
        if self._share < 1:
            body = body[: int(len(body) * self._share)]
        if start is not None:
            await self._send(_with_length(start, len(body)) if self._share < 1 else start)
        await self._send({**message, "body": body})


def _with_length(start: Message, length: int) -> Message:
    kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    return {**start, "headers": [*kept, (b"content-length", str(length).encode())]}


def _wait(seconds: float) -> Json:
    whole = max(1, math.ceil(seconds)) if seconds > 0 else 0
    told = {"message": f"Too many requests: wait {whole} seconds.", "seconds": whole}
    return Json(told, status_code=429, headers={"Retry-After": str(whole)})


def _template(scope: Scope) -> str:
    """The path with its parameters by name, so that counts do not hold ids."""
    path: str = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(f"/{value}", f"/{{{name}}}", 1)
    return path if "endpoint" in scope else "(no such path)"
