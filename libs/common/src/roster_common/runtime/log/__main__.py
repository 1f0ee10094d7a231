"""The log's keeper: a small process that relays to Kafka, if there is one, and drops old days.

`python -m roster_common.runtime.log`
"""

from fastapi import FastAPI

from roster_common.runtime.health import Check
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.log.kafka import KafkaLog
from roster_common.runtime.log.kafka_topics import declare_topics
from roster_common.runtime.log.progress import group_lag
from roster_common.runtime.log.relay import GROUP, SCHEMA, Relay
from roster_common.runtime.log.retention import run_retention
from roster_common.runtime.metrics import metric
from roster_common.runtime.service import Runtime, create_app, serve
from roster_common.runtime.settings import ServiceSettings, load

RETENTION_EVERY_S = 600.0


class KeeperSettings(ServiceSettings):
    """Settings of the keeper."""

    service: str = "log-keeper"
    port: int = 8105
    kafka_replication: int = 1

    @property
    def schema_name(self) -> str:
        """The log's own."""
        return SCHEMA


def wire(settings: KeeperSettings, runtime: Runtime) -> None:
    """Add the relay (with Kafka only) and retention."""

    async def keep() -> None:
        await run_retention(runtime.database, now=runtime.clock.now())

    runtime.every("retention", RETENTION_EVERY_S, keep, timeout_s=300.0)
    if settings.kafka_bootstrap is None:
        return
    bootstrap = settings.kafka_bootstrap
    relay = Relay(
        database=runtime.database,
        writer=KafkaLog(bootstrap, prefix=settings.kafka_topic_prefix),
        clock=runtime.clock,
        ids=runtime.ids,
        lease_s=settings.log_lease_s,
    )

    async def run_relay(stopping: Stopping) -> None:
        await declare_topics(
            bootstrap,
            prefix=settings.kafka_topic_prefix,
            replication=settings.kafka_replication,
        )
        await relay.run(stopping)

    async def check() -> Check:
        lags = await group_lag(runtime.database, group=GROUP, schema=SCHEMA, topics=relay.topics)
        for lag in lags:
            metric("log_relay_lag_events").labels(topic=lag.topic).set(lag.events)
        return Check(
            ok=not relay.state.startswith(("waiting", "stopped:")),
            detail={"state": relay.state, "lag": sum(lag.events for lag in lags)},
        )

    runtime.loop("relay", run_relay)
    runtime.health.add("relay", check)


def main() -> None:
    """Run the keeper until it is told to stop."""
    settings = load(KeeperSettings)

    def wire_app(_app: FastAPI, runtime: Runtime) -> None:
        wire(settings, runtime)

    serve(create_app(settings, wire_app), settings)


if __name__ == "__main__":
    main()
