"""Pytest plugin: Kafka for tests that ask for it, one broker a session, three nodes a module.

Nothing starts unless a test asks. Tests that use `kafka_cluster` carry the marker of that name,
so `-m "not kafka_cluster"` leaves the heavy ones out.
"""

from collections.abc import Iterator

import pytest

from homeroom.parts.kafka import RunningKafka, start_kafka, start_kafka_cluster
from homeroom.parts.missing import Missing
from tests.support.ports import own_port
from tests.support.run_end import KAFKA
from tests.support.used_parts import note_part


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line("markers", "kafka_cluster: needs three Kafka nodes (about 1.2 GB)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what uses the cluster."""
    for item in items:
        if "kafka_cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka_cluster")


@pytest.fixture(scope="session")
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningKafka]:
    """The session's broker; skips with the reason where none can be had.

    Shared: use topics and groups of your own, and do not stop it; see `own_kafka`.
    """
    folder = tmp_path_factory.mktemp("kafka")
    yield from _running(request, started=start_kafka(folder, docker=True, new_port=own_port))


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka: RunningKafka) -> str:
    """`host:port` of the session's broker."""
    return kafka.bootstrap


@pytest.fixture
def own_kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningKafka]:
    """A broker for one test, to be killed and restarted: always a process of ours."""
    folder = tmp_path_factory.mktemp("own-kafka")
    yield from _running(request, started=start_kafka_cluster(folder, nodes=1, new_port=own_port))


@pytest.fixture(scope="module")
def kafka_cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningKafka]:
    """Three nodes, replication 3, two in sync; a module's tests leave all three running."""
    folder = tmp_path_factory.mktemp("kafka-cluster")
    yield from _running(request, started=start_kafka_cluster(folder, new_port=own_port))


def _running(
    request: pytest.FixtureRequest, *, started: RunningKafka | Missing
) -> Iterator[RunningKafka]:
    if isinstance(started, Missing):
        pytest.skip(str(started))
    note_part(request.config, part=KAFKA, line=str(started))
    yield started
    started.stop()
