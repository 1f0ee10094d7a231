"""One Kafka process (broker and controller in one, KRaft): formatted once, started, killed.

The settings make a small box quick and a crash short; they are not for production.
"""

import base64
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from homeroom.parts import kafka_version
from homeroom.parts.kafka_jars import BUILD
from homeroom.parts.processes import Child, ChildFailed, start_child

# Bounds for a busy machine: at a load of six for each core a start was seen to take half a minute.
FORMAT_TIMEOUT_S = 120.0
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0
ANNOUNCED = re.compile(r"Kafka version: (\d[\w.-]*)")
# As the system words it, whichever of the ports it is.
TAKEN = "Address already in use"

# group.coordinator.append.linger.ms: its default of 5 allows 160 commits of offsets a second.
# The broker session times decide how long a killed node is missed before it may come back.
SETTINGS = """\
process.roles=broker,controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.coordinator.append.linger.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.backoff.max.ms=300
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
"""
COPIES = """\
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
"""
PLACE = """\
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised_port}
log.dirs={data}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one node of a cluster listens. `advertised_port` is a proxy's in fault tests."""

    node: int
    port: int
    controller_port: int
    advertised_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all nodes of one cluster share."""

    java: Path
    jars: Path
    heap_mb: int
    cluster_id: str
    places: tuple[Place, ...]


@dataclass(slots=True, kw_only=True)
class KafkaNode:
    """One node in `folder`; `start`, `stop`, `kill` and `start` again, on the same ports."""

    folder: Path
    place: Place
    plan: Plan
    child: Child | None = None
    _log_begins_at: int = 0

    def launch(self) -> None:
        """Starts the process without waiting for it; raises `ChildFailed` if format fails."""
        self._write_settings()
        data = self.folder / "data"
        if not (data / "meta.properties").exists():
            self._format()
        if self.child is None:
            self._log_begins_at = self._log.stat().st_size if self._log.exists() else 0
            self.child = self._java(
                "kafka", f"-Xmx{self.plan.heap_mb}m", "kafka.Kafka", str(self._settings)
            )

    def wait(self) -> None:
        """Returns when it serves clients and has named its release; raises `ChildFailed`."""
        if self.child is not None:
            self.child.wait_until(self._is_up, within_s=START_TIMEOUT_S)

    def serves(self) -> bool:
        """Whether it answers Kafka's protocol now, which it does once it is in its cluster."""
        try:
            kafka_version.metadata_level("127.0.0.1", self.place.port)
        except (OSError, kafka_version.NotKafka):
            return False
        return True

    def stop(self) -> None:
        """Controlled shutdown, killed when it takes too long. May run twice."""
        if self.child is not None:
            self.child.stop(within_s=STOP_TIMEOUT_S)
            self.child = None

    def kill(self) -> None:
        """SIGKILL. May run twice."""
        if self.child is not None:
            self.child.kill()
            self.child = None

    def announced_version(self) -> str | None:
        """The release that the process itself named since its last start, such as `4.3.1`."""
        names = ANNOUNCED.findall(self._said())
        return str(names[-1]) if names else None

    def met_a_taken_port(self) -> bool:
        """Whether its last start ended because somebody else listens on a port of its own."""
        return TAKEN in self._said()

    def _said(self) -> str:
        """What it has logged since its last start."""
        if not self._log.exists():
            return ""
        with self._log.open("rb") as log:
            log.seek(self._log_begins_at)
            return log.read().decode("utf-8", "replace")

    def _is_up(self) -> bool:
        # It names its release last of all, a moment after it began to serve.
        return self.serves() and self.announced_version() is not None

    @property
    def _log(self) -> Path:
        return self.folder / "kafka.log"

    @property
    def _settings(self) -> Path:
        return self.folder / "server.properties"

    def _write_settings(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        copies = min(3, len(self.plan.places))
        voters = ",".join(f"{p.node}@127.0.0.1:{p.controller_port}" for p in self.plan.places)
        place = self.place
        text = (
            SETTINGS
            + COPIES.format(copies=copies, in_sync=max(1, copies - 1))
            + PLACE.format(
                node=place.node,
                voters=voters,
                port=place.port,
                controller_port=place.controller_port,
                advertised_port=place.advertised_port,
                data=self.folder / "data",
            )
        )
        self._settings.write_text(text, "utf-8")

    def _format(self) -> None:
        child = self._java(
            "format", "-Xmx128m", "kafka.tools.StorageTool", "format",
            "-t", self.plan.cluster_id, "-c", str(self._settings), "--ignore-formatted",
        )  # fmt: skip
        code = child.process.wait(timeout=FORMAT_TIMEOUT_S)
        if code != 0:
            raise ChildFailed("kafka format", f"exit code {code}", tail=child.log_tail())

    def _java(self, log: str, heap: str, *arguments: str) -> Child:
        # A short-lived broker gains more from a quick start than from the best compiled code.
        options = [heap, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"]
        logging = f"-Dlog4j2.configurationFile={BUILD / 'log4j2.properties'}"
        command = [str(self.plan.java), *options, logging, "-cp", f"{self.plan.jars}/*"]
        return start_child(
            f"{log} {self.place.node}",
            [*command, *arguments],
            log=self.folder / f"{log}.log",
            cwd=self.folder,
        )


def new_cluster_id() -> str:
    """A fresh cluster id: 16 random bytes in URL-safe base64, as Kafka writes it."""
    first, *rest = secrets.token_bytes(16)
    # A high first byte could give a leading dash, which the command takes for an option.
    return base64.urlsafe_b64encode(bytes([first & 0x7F, *rest])).decode("ascii").rstrip("=")
