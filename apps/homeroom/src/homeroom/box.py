"""Everything of one installation on one box: parts, migrations, processes, keys; start to stop.

`up` and `demo` both stand on it. The parts decide for themselves where they come from.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from homeroom import given_database, keys, migrate, ownership
from homeroom.emulated import Emulated, Face
from homeroom.errors import CommandFailed
from homeroom.given import Given
from homeroom.installation import DISTRICT, ONE_SCHOOL_ORG, Installation
from homeroom.journal import Journal
from homeroom.layout import Layout, Ports
from homeroom.parts.emulator import RunningEmulator, start_emulator
from homeroom.parts.kafka import RunningKafka, start_kafka
from homeroom.parts.missing import Missing
from homeroom.parts.postgres import RunningPostgres, start_postgres
from homeroom.parts.scim import RunningScim, start_scim
from homeroom.services import PROCESSES
from homeroom.signals import ignore_signals
from homeroom.supervisor import Supervisor

Part = TypeVar("Part")
NOTHING_GIVEN: Final = Given()


@dataclass(slots=True, kw_only=True)
class Box:
    """What runs. The parts are there after `start`."""

    layout: Layout
    ports: Ports
    journal: Journal
    given: Given = field(default_factory=Given)
    face: Face | None = None
    students: int = 0
    supervisor: Supervisor = field(init=False)
    postgres: RunningPostgres | None = None
    scim: RunningScim | None = None
    emulator: RunningEmulator | None = None
    kafka: RunningKafka | None = None
    installation: Installation | None = None
    operator_token: str = ""

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(
            layout=self.layout, ports=self.ports, say=self.journal.display.say
        )

    def start(self, *, with_kafka: bool) -> None:
        """Start all of it from nothing, one step of the journal each."""
        with self.journal.step("clean folder, keys") as step:
            ownership.clear(self.layout)
            districts = sorted({DISTRICT, *self.given.districts()})
            self.operator_token = keys.prepare(self.layout, districts=districts)
            step.detail = str(self.layout.folder)
        self._start_parts(with_kafka=with_kafka)
        self._migrate()
        self._start_services()

    def stop(self) -> None:
        """Stop what was started, in reverse; every wait is bounded. May run twice."""
        self.supervisor.stop()
        for part in (self.emulator, self.scim, self.kafka, self.postgres):
            if part is not None:
                part.stop()
        self.emulator = self.scim = self.kafka = self.postgres = None

    def check(self) -> None:
        """Raise where waiting is in vain: a process that cannot start, a part that has ended."""
        self.supervisor.ensure_hope()
        if self.scim is not None and not self.scim.child.alive():
            raise CommandFailed("the SCIM directory has ended, and with it all accounts")
        if self.emulator is not None and not self.emulator.child.alive():
            raise CommandFailed("the emulated SIS has ended, and with it its district")

    def started(self) -> Installation:
        """Return what the processes were told; raises CommandFailed before `start`."""
        if self.installation is None:
            raise CommandFailed("nothing is running")
        return self.installation

    def _start_parts(self, *, with_kafka: bool) -> None:
        data, token = self.layout.data, secrets.token_urlsafe(24)
        with self.journal.step("PostgreSQL", owner="postgres") as step:
            self.postgres = _there(start_postgres(data / "postgres", durable=True, docker=False))
            given_database.take_over(self.postgres.url)
            step.detail = str(self.postgres)
        if with_kafka:
            with self.journal.step("Kafka", owner="kafka") as step:
                self.kafka = _there(start_kafka(data / "kafka"))
                step.detail = str(self.kafka)
        with self.journal.step("SCIM directory", owner="scim") as step:
            self.scim = _there(start_scim(self.layout.logs, port=self.ports.scim, token=token))
            step.detail = str(self.scim)
        emulated = self._start_emulator()
        self.installation = Installation(
            layout=self.layout,
            ports=self.ports,
            database_url=self.postgres.url,
            database_embedded=self.postgres.embedded,
            operator_public_key=keys.public_key(self.layout),
            body_key=keys.body_key(self.layout),
            scim_url=self.scim.url,
            scim_token=token,
            kafka_bootstrap=self.kafka.bootstrap if self.kafka else None,
            # A given broker may hold another installation's topics, or an earlier run's.
            kafka_prefix=f"demo-{secrets.token_hex(4)}." if self.kafka else "",
            emulated=emulated,
            one_school_org=ONE_SCHOOL_ORG if emulated is None else emulated.first_school(),
            given=self.given,
        )

    def _start_emulator(self) -> Emulated | None:
        if self.face is None:
            return None
        with self.journal.step("emulated SIS", owner="sis-emulator") as step:
            self.emulator = _there(
                start_emulator(
                    self.face,
                    folder=self.layout.data,
                    log=self.layout.log_of("sis-emulator"),
                    port=self.ports.emulator,
                    students=self.students,
                )
            )
            step.detail = str(self.emulator)
        told, schools = self.emulator.told, self.emulator.schools()
        return Emulated(face=self.face, told=told, schools=schools)

    def _migrate(self) -> None:
        with self.journal.step("migrations") as step:
            done: list[str] = []
            migrate.migrate_all(self.started().database_url, on_schema=done.append)
            if self.kafka is not None:
                prefix = self.started().kafka_prefix
                migrate.declare_on_kafka(self.kafka.bootstrap, prefix=prefix)
                done.append("topics on Kafka")
            step.detail = ", ".join(done)

    def _start_services(self) -> None:
        with self.journal.step("services start") as step:
            self.supervisor.start(self.started())
            step.detail = f"{len(PROCESSES)} processes"
        for service in PROCESSES:
            with self.journal.step(f"{service.name} is ready", owner=service.name) as step:
                self.supervisor.wait_ready(service)
                step.detail = f"port {self.ports.of(service.offset)}"


def _there(part: Part | Missing) -> Part:
    if isinstance(part, Missing):
        raise CommandFailed(str(part))
    return part


@contextmanager
def running_box(
    *,
    layout: Layout,
    ports: Ports,
    journal: Journal,
    with_kafka: bool,
    given: Given = NOTHING_GIVEN,
    face: Face | None = None,
    students: int = 0,
) -> Iterator[Box]:
    """Start an installation, give it, and stop it whatever happens inside."""
    with journal.step("folder and ports are free"):
        ownership.claim(layout, ports)
    box = Box(
        layout=layout, ports=ports, journal=journal, given=given, face=face, students=students
    )
    try:
        box.start(with_kafka=with_kafka)
        yield box
    except Exception:
        if journal.current is not None and journal.current.owner is not None:
            journal.current.tail = box.supervisor.tail(journal.current.owner)
        raise
    finally:
        ignore_signals()
        box.stop()
        ownership.forget_cluster(layout)
        ownership.release(layout)
