"""The pages that operators and orchestrators watch: `/healthz`, `/readyz`, `/metrics`.

They carry no district data and need no token. Knows no dependency itself: each is added as a check.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import JsonValue

from roster_common.ports import Clock
from roster_common.runtime import metrics

CHECK_TIMEOUT_S = 2.0
# Both pages are open to anyone, so asking often must not mean asking the database often.
READY_CACHE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one dependency said: whether it works, and figures for people (never district data)."""

    ok: bool
    detail: Mapping[str, JsonValue] = field(default_factory=dict)


RunCheck = Callable[[], Awaitable[Check]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    run: RunCheck
    critical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether to send work here, and why (not)."""

    ready: bool
    page: dict[str, JsonValue]


class Health:
    """The state behind the pages of one service."""

    def __init__(
        self, *, service: str, clock: Clock, check_timeout_s: float = CHECK_TIMEOUT_S
    ) -> None:
        self._service = service
        self._clock = clock
        self._check_timeout_s = check_timeout_s
        self._checks: dict[str, _Named] = {}
        self._stopping = False
        self._failed: str | None = None
        self._lock = asyncio.Lock()
        self._last: Readiness | None = None
        self._last_at = float("-inf")

    def add(self, name: str, run: RunCheck, *, critical: bool = True) -> None:
        """Add a dependency. One that is not critical is shown, but does not stop the service."""
        self._checks[name] = _Named(run=run, critical=critical)

    def begin_stop(self) -> None:
        """Say no to new work from now on; what runs may end."""
        self._stopping = True

    def fail(self, reason: str) -> None:
        """Say that only a restart helps; `reason` is a code such as the name of a dead loop."""
        self._failed = reason

    async def readiness(self) -> Readiness:
        """Run all checks at once, each within the bound; a recent answer is given again."""
        async with self._lock:
            age_s = self._clock.monotonic() - self._last_at
            if self._last is None or age_s >= READY_CACHE_S:
                self._last = await self._ask_all()
                self._last_at = self._clock.monotonic()
            found = self._last
        if self._stopping or self._failed is not None:
            status = "stopping" if self._stopping else "failed"
            return Readiness(ready=False, page={**found.page, "status": status})
        return found

    async def _ask_all(self) -> Readiness:
        checks = dict(self._checks)
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._ask(one.run)) for name, one in checks.items()}
        answers = {name: task.result() for name, task in tasks.items()}
        broken = [name for name, answer in answers.items() if not answer.ok]
        ready = not any(checks[name].critical for name in broken)
        page: dict[str, JsonValue] = {
            "status": ("degraded" if broken else "ready") if ready else "unready",
            "service": self._service,
            "checks": {
                name: {"ok": answer.ok, "critical": checks[name].critical, **answer.detail}
                for name, answer in answers.items()
            },
        }
        return Readiness(ready=ready, page=page)

    async def _ask(self, run: RunCheck) -> Check:
        try:
            async with asyncio.timeout(self._check_timeout_s):
                return await run()
        except TimeoutError:
            return Check(ok=False, detail={"error": "timeout"})
        except Exception as error:  # noqa: BLE001 - a check that breaks is an answer; text may hold values
            return Check(ok=False, detail={"error": type(error).__name__})

    def router(self) -> APIRouter:
        """Give the three pages."""
        router = APIRouter(tags=["operations"])

        @router.get("/healthz", summary="Alive: the event loop answers and no loop died for good")
        async def healthz() -> Response:
            if self._failed is not None:
                return JSONResponse({"status": "failed", "reason": self._failed}, 503)
            return JSONResponse({"status": "alive", "service": self._service})

        @router.get("/readyz", summary="Ready for work, dependency by dependency")
        async def readyz() -> Response:
            found = await self.readiness()
            return JSONResponse(found.page, 200 if found.ready else 503)

        @router.get("/metrics", summary="Prometheus metrics")
        async def metrics_page() -> Response:
            body, media_type = metrics.render()
            return Response(body, headers={"content-type": media_type})

        return router
