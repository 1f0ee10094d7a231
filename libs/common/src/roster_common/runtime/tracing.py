"""OpenTelemetry spans, and the middleware through which every request comes in.

Without an exporter, spans only carry their ids on (so events keep their `traceparent`) and record
nothing. Spans hold ids, never names or texts of foreign errors.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roster_common.errors import Fatal
from roster_common.runtime.correlation import accept_or_mint, correlation_id
from roster_common.runtime.logging import get_logger
from roster_common.runtime.metrics import Series, metric
from roster_common.runtime.privacy import is_private
from roster_common.runtime.problems import problem_response, unforeseen
from roster_common.runtime.settings import ServiceSettings

Attribute = str | int | float | bool

CORRELATION_HEADER = "x-correlation-id"
# A plain ASGI application mounted in FastAPI names its route here, with placeholders for ids.
ROUTE_KEY = "homeroom.route"
_QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
_PROPAGATOR = TraceContextTextMapPropagator()

logger = get_logger(__name__)


class _Tracing:
    """The provider of this process; own state, as OpenTelemetry's global one is set only once."""

    def __init__(self) -> None:
        self.use(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False), exports=False)

    def use(self, provider: TracerProvider, *, exports: bool) -> None:
        self.provider = provider
        self.exports = exports
        self.tracer = provider.get_tracer("homeroom")


_tracing = _Tracing()


def configure(settings: ServiceSettings, *, exporter: SpanExporter | None = None) -> None:
    """Set up tracing for this process; the last call wins. `exporter` is for tests.

    Raises Fatal when HOMEROOM_OTLP_ENDPOINT is set and the extra `otlp` is not installed.
    """
    exports = exporter is not None or settings.otlp_endpoint is not None
    sampler: Sampler = (
        ParentBased(TraceIdRatioBased(settings.trace_sample_ratio)) if exports else ALWAYS_OFF
    )
    provider = TracerProvider(
        sampler=sampler,
        resource=Resource.create({"service.name": settings.service}),
        shutdown_on_exit=False,
    )
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    elif settings.otlp_endpoint is not None:
        provider.add_span_processor(BatchSpanProcessor(_otlp_exporter(settings.otlp_endpoint)))
    _tracing.use(provider, exports=exports)


def shutdown() -> None:
    """Send what is left and stop. Blocks for a few seconds at most; call it in a thread."""
    _tracing.provider.shutdown()


@contextmanager
def start_span(name: str, **attributes: Attribute) -> Iterator[None]:
    """Open a span around the block. Attributes are ids; private names are left out.

    An error marks the span with its class only, since its text may hold values.
    """
    with _tracing.tracer.start_as_current_span(
        name,
        attributes={key: value for key, value in attributes.items() if not is_private(key)},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def current_traceparent() -> str | None:
    """Give the W3C `traceparent` of the work in hand, or None outside of any span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def with_remote_parent(traceparent: str | None) -> Iterator[None]:
    """Make spans in the block children of `traceparent`; None or nonsense makes no difference."""
    if traceparent is None:
        yield
        return
    span = trace.get_current_span(_PROPAGATOR.extract({"traceparent": traceparent}))
    if not span.get_span_context().is_remote:
        yield
        return
    with trace.use_span(span, record_exception=False, set_status_on_exception=False):
        yield


def _otlp_exporter(endpoint: str) -> SpanExporter:
    try:
        module = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError:
        message = "HOMEROOM_OTLP_ENDPOINT needs the extra: pip install 'roster-common[otlp]'"
        raise Fatal(message) from None
    exporter: SpanExporter = module.OTLPSpanExporter(endpoint=endpoint, timeout=5)
    return exporter


class CorrelationMiddleware:
    """Gives each request a correlation id, a span, one log line and its metrics.

    Pure ASGI: a body streams through untouched. An error that nobody foresaw is logged here, once,
    and answered as a problem document. An application that emits no events needs a span only where
    spans are exported (`emits` False).
    """

    def __init__(self, app: ASGIApp, *, emits: bool = True) -> None:
        self._app = app
        self._emits = emits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; only HTTP requests are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        found = accept_or_mint(headers.get(CORRELATION_HEADER))
        exchange = _Exchange(self._app, found)
        token = correlation_id.set(found)
        try:
            if not self._emits and not _tracing.exports:
                await exchange.run(scope, receive, send)
                return
            with (
                with_remote_parent(headers.get("traceparent")),
                start_span("http.request", method=scope["method"], correlation_id=found),
            ):
                await exchange.run(scope, receive, send)
        finally:
            correlation_id.reset(token)


class _Exchange:
    """One request and its answer."""

    def __init__(self, app: ASGIApp, found: str) -> None:
        self._app = app
        self._correlation_id = found
        self._status: int | None = None

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request under its correlation id, then log, count and time it in seconds.

        What nobody foresaw becomes the 500 problem, unless half an answer is out: then it is raised
        again. Source: ASGI 3 HTTP specification.
        """
        started = time.perf_counter()

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                MutableHeaders(scope=message)[CORRELATION_HEADER] = self._correlation_id
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception as error:
            logger.error("request_failed", route=_route(scope), exc_info=error)
            if self._status is not None:
                raise  # half an answer is out: only the server can break the connection off
            await problem_response(unforeseen())(scope, receive, send_marked)
        finally:
            _note(scope, self._status or 499, time.perf_counter() - started)


def _note(scope: Scope, status: int, seconds: float) -> None:
    """Log and count the request. Status 499: the caller left before there was an answer."""
    route, method = _route(scope), scope["method"]
    requests, durations = _series(method, route, status)
    requests.inc()
    durations.observe(seconds)
    log = logger.debug if route in _QUIET_ROUTES else logger.info
    log("request", method=method, route=route, status=status, ms=round(seconds * 1_000, 2))


@lru_cache(maxsize=1_000)
def _series(method: str, route: str, status: int) -> tuple[Series, Series]:
    """What counts and times requests of these labels."""
    return (
        metric("http_requests_total").labels(method=method, route=route, status=str(status)),
        metric("http_request_seconds").labels(method=method, route=route),
    )


def _route(scope: Mapping[str, object]) -> str:
    named = scope.get(ROUTE_KEY)
    if isinstance(named, str):
        return named
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "unmatched"
