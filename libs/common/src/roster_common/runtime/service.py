"""Joins the shared rooms into one running service: pages, problems, loops, log, shutdown.

A service's bootstrap calls `create_app` with a `wire` function that adds its routes, consumers and
loops to a `Runtime`. Nothing here knows what a service is for.
"""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from roster_common.contracts.envelope import Event, EventData, Origin, new_event, new_tombstone
from roster_common.errors import Fatal
from roster_common.ports import LogReader
from roster_common.runtime import logging, tracing
from roster_common.runtime.clock import SystemClock, Uuid7Ids
from roster_common.runtime.database import Database
from roster_common.runtime.health import Check, Health
from roster_common.runtime.http import HttpClient
from roster_common.runtime.lifecycle import Lifecycle, Stopping
from roster_common.runtime.log.consumer import Consumer, DeadLetterPolicy, Handler
from roster_common.runtime.log.kafka import KafkaReader
from roster_common.runtime.log.postgres import PostgresReader
from roster_common.runtime.log.progress import TopicLag, group_lag
from roster_common.runtime.metrics import metric
from roster_common.runtime.problems import install_problem_handlers
from roster_common.runtime.settings import ServiceSettings
from roster_common.runtime.statistics import EVERY_S as STATISTICS_EVERY_S
from roster_common.runtime.statistics import Statistics
from roster_common.runtime.tokens import Operators

logger = structlog.get_logger(__name__)

OLDEST_WAITING_LIMIT_S = 300.0


class Runtime:
    """What a service's bootstrap builds on. Holds connections; opens none before the start."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.ids = Uuid7Ids()
        self.database = Database(
            settings.database_url.get_secret_value(),
            name=settings.service,
            pool_size=settings.database_pool_size,
            statement_timeout_s=settings.statement_timeout_s,
            lock_timeout_s=settings.lock_timeout_s,
        )
        self.health = Health(service=settings.service, clock=self.clock)
        self.lifecycle = Lifecycle(
            drain_timeout_s=settings.drain_timeout_s,
            cancel_timeout_s=settings.cancel_timeout_s,
            on_fatal=self._stop_process,
            clock=self.clock,
        )
        self.operators = Operators(settings.operator_public_key)
        self.http = HttpClient()
        self.health.add("database", self._database_check)
        self.health.add("loops", self.lifecycle.check)

    def consume(
        self,
        *,
        group: str,
        topics: Sequence[str],
        schema: str,
        handle: Handler,
        batch: int = 500,
        critical: bool = True,
    ) -> None:
        """Consume `topics` as `group` with positions in `schema`, and show the lag in readiness.

        `critical` False keeps the service ready while its consumer is behind or stopped (a
        publisher still answers vendors). A dead-letter limit or a gap ends the consumer only.
        """
        consumer = Consumer(
            database=self.database,
            reader=lambda member_id: self._reader(group, member_id, topics),
            service=self.settings.service,
            group=group,
            topics=topics,
            schema=schema,
            handle=handle,
            clock=self.clock,
            ids=self.ids,
            batch=batch,
            dead_letters=DeadLetterPolicy(
                limit=self.settings.dead_letter_limit,
                window_s=self.settings.dead_letter_window_s,
            ),
        )

        async def run(stopping: Stopping) -> None:
            try:
                await consumer.run(stopping)
            except Fatal as error:
                logger.error("consumer_stopped", group=group, error=type(error).__name__)

        async def check() -> Check:
            lags = await group_lag(
                self.database, group=group, schema=schema, topics=consumer.topics
            )
            return _group_check(consumer, lags, now=self.clock.now())

        self.lifecycle.add(f"consume:{group}", run)
        self.health.add(f"group:{group}", check, critical=critical)

    def count_tables(self, schema: str) -> None:
        """Keep the planner's figures of `schema`, which is this process's own, true."""
        self.every("statistics", STATISTICS_EVERY_S, Statistics(self.database, schema))

    def loop(self, name: str, run: Callable[[Stopping], Awaitable[None]]) -> None:
        """Add a background loop; it returns soon after `Stopping` is set."""
        self.lifecycle.add(name, run)

    def every(
        self,
        name: str,
        seconds: float,
        fn: Callable[[], Awaitable[None]],
        *,
        timeout_s: float = 60.0,
    ) -> None:
        """Call `fn` at once and then `seconds` after each end."""
        self.lifecycle.every(name, seconds, fn, timeout_s=timeout_s)

    def new_event(
        self,
        data: EventData,
        *,
        district_id: str,
        origin: Origin,
        correlation_id: str,
        causation_id: str | None = None,
    ) -> Event:
        """An event of this service, now, with a fresh id and the current trace."""
        return new_event(
            data,
            event_id=self.ids.new_id(),
            time=self.clock.now(),
            service=self.settings.service,
            district_id=district_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
            origin=origin,
            traceparent=tracing.current_traceparent(),
        )

    def new_tombstone(
        self,
        data_type: type[EventData],
        entity_key: str,
        *,
        district_id: str,
        origin: Origin,
        correlation_id: str,
        causation_id: str | None = None,
    ) -> Event:
        """The event that takes `entity_key` from a state topic for good."""
        return new_tombstone(
            data_type,
            entity_key,
            event_id=self.ids.new_id(),
            time=self.clock.now(),
            service=self.settings.service,
            district_id=district_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
            origin=origin,
            traceparent=tracing.current_traceparent(),
        )

    async def close(self) -> None:
        """Stop loops within their bound, then give connections back."""
        self.health.begin_stop()
        await self.lifecycle.stop()
        await self.http.close()
        await asyncio.to_thread(tracing.shutdown)
        await self.database.close()

    def _reader(self, group: str, member_id: str, topics: Sequence[str]) -> LogReader:
        if self.settings.kafka_bootstrap is None:
            return PostgresReader(
                self.database,
                group=group,
                member_id=member_id,
                topics=topics,
                lease_s=self.settings.log_lease_s,
            )
        return KafkaReader(
            self.settings.kafka_bootstrap,
            group=group,
            member_id=member_id,
            topics=topics,
            prefix=self.settings.kafka_topic_prefix,
        )

    async def _database_check(self) -> Check:
        return Check(ok=True, detail={"postgresql": await self.database.ping()})

    def _stop_process(self, loop_name: str) -> None:
        """A loop is beyond repair: ask the server to stop, so that the supervisor restarts us."""
        self.health.fail(f"loop:{loop_name}")
        logger.error("process_stops", loop=loop_name)
        os.kill(os.getpid(), signal.SIGTERM)


def settle_memory() -> None:
    """Take what was loaded by now out of the garbage collector's way; call once, after start-up.

    A full collection over a service's modules takes some 130 ms, and without this a quarter of a
    consumer's time goes into collections that find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 50)


class ServiceApp(FastAPI):
    """FastAPI, and beside it plain ASGI applications that none of its layers slow down."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._plain: dict[str, ASGIApp] = {}

    def mount_plain(self, prefix: str, plain: ASGIApp) -> None:
        """Serve `plain`, which reads and emits no events, below `prefix`, with a correlation id, a
        log line and metrics as every request has.
        """
        self._plain[prefix] = tracing.CorrelationMiddleware(plain, emits=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            for prefix, plain in self._plain.items():
                if scope["path"].startswith(f"{prefix}/"):
                    scope["root_path"] = scope.get("root_path", "") + prefix
                    await plain(scope, receive, send)
                    return
        await super().__call__(scope, receive, send)


def create_app(settings: ServiceSettings, wire: Callable[[ServiceApp, Runtime], None]) -> FastAPI:
    """The ASGI application of a service. `wire` adds routes, consumers and loops; it opens nothing.

    Loops start with the application and stop with it; a database or broker that is away makes the
    service unready, never unable to start or stop.
    """
    logging.configure(settings)
    tracing.configure(settings)
    runtime = Runtime(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        """Start the loops; at the end close what was opened, bounded as in `Lifecycle.stop`."""
        settle_memory()
        runtime.lifecycle.start()
        logger.info("service_started", settings=settings.redacted())
        try:
            yield
        finally:
            await runtime.close()
            logger.info("service_stopped")

    app = ServiceApp(title=f"Homeroom {settings.service}", version="0.1.0", lifespan=lifespan)
    app.state.runtime = runtime
    install_problem_handlers(app)
    app.include_router(runtime.health.router())
    runtime.count_tables(settings.schema_name)
    wire(app, runtime)
    app.add_middleware(tracing.CorrelationMiddleware)
    return app


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Run until SIGTERM or SIGINT: one worker, bounded stop.

    Of a trusted proxy `X-Forwarded-For` and `X-Forwarded-Proto` are taken for the sender's: the
    last address that is no trusted proxy's. What stands before it anybody may have written.
    """
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        timeout_graceful_shutdown=int(settings.drain_timeout_s) or 1,
    )


def _group_check(consumer: Consumer, lags: Sequence[TopicLag], *, now: datetime) -> Check:
    """Show lag and oldest waiting per topic; not ok when stopped or far behind."""
    oldest_s = 0.0
    topics: dict[str, object] = {}
    for lag in lags:
        waiting = lag.oldest_waiting_since
        age_s = max(0.0, (now - waiting).total_seconds()) if waiting is not None else 0.0
        oldest_s = max(oldest_s, age_s)
        topics[lag.topic] = {"lag": lag.events, "oldestWaitingSeconds": round(age_s, 3)}
        labels = {"group": consumer.group, "topic": lag.topic}
        metric("log_consumer_lag_events").labels(**labels).set(lag.events)
        metric("log_consumer_oldest_seconds").labels(**labels).set(age_s)
    stopped = consumer.state.startswith("stopped:")
    return Check(
        ok=not stopped and oldest_s < OLDEST_WAITING_LIMIT_S,
        detail={"state": consumer.state, "topics": topics},  # type: ignore[dict-item]
    )
