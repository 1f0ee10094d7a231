"""The official images in Docker, through testcontainers; for tests, where an engine answers.

testcontainers' own Kafka class is not used: it drives Confluent's image, not Apache's.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from homeroom.parts import kafka_version
from homeroom.parts.processes import free_port
from roster_common.errors import HomeroomError

POSTGRES_IMAGE = "postgres:15"
KAFKA_IMAGE = "apache/kafka:4.3.1"
START_TIMEOUT_S = 60.0
POLL_S = 0.2

KAFKA_SETTINGS = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": "CLIENTS://:9092,CONTROLLER://:9093,BROKER://:9094",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": (
        "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT,BROKER:PLAINTEXT"
    ),
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_GROUP_COORDINATOR_APPEND_LINGER_MS": "0",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container that answers at `address`; `log` is what it has printed so far."""

    address: str
    log: str
    stop: Callable[[], None]


class ContainerFailed(HomeroomError):
    """An engine answers, but the container did not come up (image not to be had, no start)."""


def start_postgres_container() -> Container:
    """PostgreSQL; the address is a URL. Raises `ContainerFailed`."""
    module = importlib.import_module("testcontainers.community.postgres")
    container = module.PostgresContainer(POSTGRES_IMAGE, driver=None)
    container.with_command("postgres -c max_connections=200 -c fsync=off")
    _start(container.start)
    return Container(address=str(container.get_connection_url()), log="", stop=container.stop)


def start_kafka_container() -> Container:
    """One Kafka broker; the address is `host:port`. Raises `ContainerFailed`."""
    module = importlib.import_module("testcontainers.core.container")
    container = module.DockerContainer(KAFKA_IMAGE)
    host, port = str(container.get_container_host_ip()), free_port()
    container.with_bind_ports(9092, port)
    for name, value in KAFKA_SETTINGS.items():
        container.with_env(name, value)
    advertised = f"CLIENTS://{host}:{port},BROKER://localhost:9094"
    container.with_env("KAFKA_ADVERTISED_LISTENERS", advertised)
    _start(container.start)
    try:
        _wait_for_kafka(host, port)
    except ContainerFailed:
        container.stop()
        raise
    output, errors = container.get_logs()
    log = (output + errors).decode("utf-8", "replace")
    return Container(address=f"{host}:{port}", log=log, stop=container.stop)


def _start(start: Callable[[], object]) -> None:
    docker_error = importlib.import_module("docker.errors").DockerException
    try:
        start()
    except (docker_error, OSError) as error:
        raise ContainerFailed(type(error).__name__) from error


def _wait_for_kafka(host: str, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            kafka_version.metadata_level(host, port)
        except (OSError, kafka_version.NotKafka):
            time.sleep(POLL_S)
        else:
            return
    raise ContainerFailed("no answer in time")
