"""One rule for where Kafka comes from: given, in Docker, or jars from Maven Central under Java.

`start_kafka` gives one broker, `start_kafka_cluster` three with their copies. A broker counts as
Kafka of a version only if it said so itself in this run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from homeroom.parts import kafka_version
from homeroom.parts.containers import KAFKA_IMAGE, ContainerFailed, start_kafka_container
from homeroom.parts.docker import engine_answers
from homeroom.parts.kafka_jars import PART, find_java, kafka_jars
from homeroom.parts.kafka_node import ANNOUNCED, KafkaNode, Place, Plan, new_cluster_id
from homeroom.parts.missing import Missing
from homeroom.parts.processes import ChildFailed, free_port
from homeroom.parts.settings import PartsSettings, parts_settings

ONE_NODE_HEAP_MB = 512
CLUSTER_NODE_HEAP_MB = 384
PORT_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningKafka:
    """A broker, or several, that answer at `bootstrap` (`host:port,…`).

    `version` was read from the broker in this run: the exact release where it is our process
    (its own start-up line, checked against the wire), the release line where only the wire speaks.
    `nodes` are the processes to stop, kill and start in fault tests; empty where they are not ours.
    """

    bootstrap: str
    version: str
    how: str
    stop: Callable[[], None]
    nodes: tuple[KafkaNode, ...] = ()

    def __str__(self) -> str:
        return f"{PART} {self.version} {self.how} (read from the broker)"

    def kill(self) -> None:
        """SIGKILL to every node that is ours. May run twice."""
        for node in self.nodes:
            node.kill()

    def restart(self) -> None:
        """Starts every node that does not run, on its old port and data; waits until it serves."""
        _start(self.nodes)


def start_kafka(
    folder: Path,
    *,
    docker: bool = False,
    advertised_port: int | None = None,
    settings: PartsSettings | None = None,
    new_port: Callable[[], int] = free_port,
) -> RunningKafka | Missing:
    """Starts or finds one broker and returns when it serves, or says in one line why not.

    `folder` keeps its data. `docker` also allows the official image where an engine answers.
    `advertised_port` is what clients are told to connect to: a proxy's port in fault tests.
    `new_port` gives the ports of a process of ours; others are asked for where one was taken.
    """
    settings = settings or parts_settings()
    if settings.kafka_bootstrap is not None:
        return _given(settings.kafka_bootstrap)
    if docker and advertised_port is None and engine_answers(settings.docker_host):
        container = _in_docker()
        if container is not None:
            return container
    return _from_jars(
        folder, nodes=1, heap_mb=ONE_NODE_HEAP_MB, advertised_port=advertised_port,
        settings=settings, new_port=new_port,
    )  # fmt: skip


def start_kafka_cluster(
    folder: Path,
    *,
    nodes: int = 3,
    settings: PartsSettings | None = None,
    new_port: Callable[[], int] = free_port,
) -> RunningKafka | Missing:
    """Starts a cluster of our own processes, replication 3 and two in sync; never a given one."""
    return _from_jars(
        folder, nodes=nodes, heap_mb=CLUSTER_NODE_HEAP_MB, advertised_port=None,
        settings=settings or parts_settings(), new_port=new_port,
    )  # fmt: skip


def _given(bootstrap: str) -> RunningKafka | Missing:
    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    try:
        level = kafka_version.metadata_level(host, int(port))
    except (OSError, ValueError, kafka_version.NotKafka) as error:
        reason = f"HOMEROOM_KAFKA_BOOTSTRAP does not answer as Kafka ({type(error).__name__})"
        return Missing(part=PART, reason=reason)
    return RunningKafka(
        bootstrap=bootstrap,
        version=kafka_version.release_line(level),
        how="given by HOMEROOM_KAFKA_BOOTSTRAP",
        stop=_leave_alone,
    )


def _leave_alone() -> None:
    """What we did not start is not ours to stop."""


def _from_jars(
    folder: Path,
    *,
    nodes: int,
    heap_mb: int,
    advertised_port: int | None,
    settings: PartsSettings,
    new_port: Callable[[], int],
) -> RunningKafka | Missing:
    java = find_java(settings)
    if isinstance(java, Missing):
        return java
    jars = kafka_jars(settings)
    if isinstance(jars, Missing):
        return jars
    folder = folder.resolve()
    cluster_id = _cluster_id(folder)

    def on_fresh_ports() -> tuple[KafkaNode, ...]:
        places = _places(nodes, advertised_port=advertised_port, new_port=new_port)
        plan = Plan(java=java, jars=jars, heap_mb=heap_mb, cluster_id=cluster_id, places=places)
        return tuple(
            KafkaNode(folder=folder / f"node-{place.node}", place=place, plan=plan)
            for place in places
        )

    try:
        return _running(_started(on_fresh_ports))
    except ChildFailed as failure:
        return Missing(part=PART, reason=f"{failure}; see the logs in {folder}")


def _started(on_fresh_ports: Callable[[], tuple[KafkaNode, ...]]) -> tuple[KafkaNode, ...]:
    """Nodes that serve; a port that was free a moment ago may be somebody else's by then."""
    for attempt in range(1, PORT_ATTEMPTS + 1):
        nodes = on_fresh_ports()
        try:
            _start(nodes)
            break
        except ChildFailed:
            if attempt == PORT_ATTEMPTS or not any(node.met_a_taken_port() for node in nodes):
                raise
    return nodes


def _places(
    nodes: int, *, advertised_port: int | None, new_port: Callable[[], int]
) -> tuple[Place, ...]:
    places: list[Place] = []
    taken: set[int] = set()
    while len(places) < nodes:
        port, controller_port = new_port(), new_port()
        if port == controller_port or taken & {port, controller_port}:
            continue
        taken |= {port, controller_port}
        places.append(
            Place(
                node=len(places) + 1,
                port=port,
                controller_port=controller_port,
                advertised_port=advertised_port or port,
            )
        )
    return tuple(places)


def _cluster_id(folder: Path) -> str:
    kept = folder / "cluster.id"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(new_cluster_id(), "ascii")
    return kept.read_text("ascii")


def _start(nodes: tuple[KafkaNode, ...]) -> None:
    try:
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait()
    except BaseException:
        _stop(nodes)
        raise


def _stop(nodes: tuple[KafkaNode, ...]) -> None:
    if len(nodes) > 1:
        # One by one, the last would wait in vain for a controller: there is nothing to hand over.
        for node in nodes:
            node.kill()
    for node in nodes:
        node.stop()


def _running(nodes: tuple[KafkaNode, ...]) -> RunningKafka | Missing:
    line = kafka_version.release_line(
        kafka_version.metadata_level("127.0.0.1", nodes[0].place.port)
    )
    announced = {node.announced_version() for node in nodes}
    version = announced.pop()
    if announced or version is None or not version.startswith(f"{line}."):
        _stop(nodes)
        reason = f"the broker's log names version {version}, its protocol names {line}"
        return Missing(part=PART, reason=reason)
    many = f", {len(nodes)} nodes" if len(nodes) > 1 else ""
    return RunningKafka(
        bootstrap=",".join(f"127.0.0.1:{node.place.port}" for node in nodes),
        version=version,
        how=f"from Maven Central{many}",
        stop=lambda: _stop(nodes),
        nodes=nodes,
    )


def _in_docker() -> RunningKafka | None:
    try:
        container = start_kafka_container()
    except ContainerFailed:
        return None  # an engine without the image: the next road of the rule may do
    announced = ANNOUNCED.findall(container.log)
    if not announced:
        container.stop()
        return None
    return RunningKafka(
        bootstrap=container.address,
        version=str(announced[-1]),
        how=f"in Docker, image {KAFKA_IMAGE}",
        stop=container.stop,
    )
