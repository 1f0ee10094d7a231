"""Correlation id and OpenTelemetry trace, from the door to every effect.

The correlation id is ours and always there; the trace is sampled and exported only when an
exporter is configured.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog
from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roster_common.runtime.clock import Uuid7Ids
from roster_common.runtime.metrics import metric
from roster_common.runtime.settings import ServiceSettings

logger = structlog.get_logger(__name__)

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
HEADER = "x-correlation-id"
_SAFE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_PROPAGATOR = TraceContextTextMapPropagator()
_IDS = Uuid7Ids()


def configure(settings: ServiceSettings) -> None:
    """Set the process's tracer; the OTLP exporter is an optional package."""
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.trace_sample_ratio)),
        resource=Resource.create({"service.name": settings.service}),
    )
    trace.set_tracer_provider(provider)


@contextmanager
def start_span(name: str, **attributes: str | int) -> Iterator[None]:
    """Time a piece of work; attributes are ids and counts only."""
    with trace.get_tracer("homeroom").start_as_current_span(name, attributes=dict(attributes)):
        yield


def current_traceparent() -> str | None:
    """The current trace as a W3C header, or None outside of one."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def with_remote_parent(traceparent: str | None) -> Iterator[None]:
    """Continue the trace an event or request came with."""
    if traceparent is None:
        yield
        return
    token = context.attach(_PROPAGATOR.extract({"traceparent": traceparent}))
    try:
        yield
    finally:
        context.detach(token)


class CorrelationMiddleware:
    """Gives each request its correlation id, one log line and its metrics. Plain ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass requests through; anything but HTTP untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(HEADER.encode(), b"").decode("latin-1")
        found = given if _SAFE.fullmatch(given) else _IDS.new_id()
        token = correlation_id.set(found)
        scope.setdefault("state", {})["correlation_id"] = found
        status = 500
        began = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (HEADER.encode(), found.encode()),
                ]
            await send(message)

        try:
            with (
                structlog.contextvars.bound_contextvars(correlation_id=found),
                with_remote_parent(headers.get(b"traceparent", b"").decode("latin-1") or None),
            ):
                await self._app(scope, receive, send_with_id)
        finally:
            correlation_id.reset(token)
            self._note(scope, status, time.perf_counter() - began, found)

    @staticmethod
    def _note(scope: Scope, status: int, seconds: float, found: str) -> None:
        route = scope.get("route")
        template = getattr(route, "path", None) or "(none)"
        method = scope["method"]
        metric("http_requests_total").labels(
            method=method, route=template, status=str(status)
        ).inc()
        metric("http_request_seconds").labels(method=method, route=template).observe(seconds)
        if template not in _QUIET:
            logger.info(
                "request_answered",
                method=method,
                route=template,
                status=status,
                ms=round(seconds * 1000, 2),
                correlation_id=found,
            )
