"""A whole installation for a measurement: the five processes and a directory, as `make up` has.

The servers are the bench's own; the database is dropped in the end. The services are the product's
processes with the demo's settings.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from homeroom import keys, migrate, ownership
from homeroom.installation import DISTRICT, Installation
from homeroom.layout import Layout, Ports
from homeroom.operator_client import OperatorClient
from homeroom.parts import postgres_admin
from homeroom.parts.missing import Missing
from homeroom.parts.scim import RunningScim, start_scim
from homeroom.services import PROCESSES, Service
from homeroom.supervisor import Supervisor
from roster_common.errors import Fatal
from tests.bench.measuring import Bench
from tests.bench.servers import administer, drop_database
from tests.support.demo import free_port_base

DATABASE = "homeroom_bench_whole"
BEGIN_ANEW_WITHIN_S = 60.0
LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What runs and how to reach it."""

    folder: Path
    ports: Ports
    operator: OperatorClient
    scim: RunningScim
    supervisor: Supervisor

    def port(self, service: Service) -> int:
        """Where a service answers."""
        return self.ports.of(service.offset)

    def children(self) -> Mapping[str, int]:
        """Ids of our own processes by name."""
        note = ownership.read_running(Layout(folder=self.folder))
        assert note is not None
        found: Mapping[str, int] = note["children"]
        return found

    async def begin_anew(self, service: Service) -> None:
        """End the service's process; return when the one that follows it is ready."""
        before = self.supervisor.restarts()[service.name]
        psutil.Process(self.children()[service.name]).terminate()
        async with asyncio.timeout(BEGIN_ANEW_WITHIN_S):
            while self.supervisor.restarts()[service.name] == before:
                await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(self.supervisor.wait_ready, service)


@asynccontextmanager
async def installed(bench: Bench) -> AsyncIterator[Installed]:
    """Migrated, started and ready; stopped and dropped in the end."""
    folder = Path(tempfile.mkdtemp(prefix="homeroom-bench-whole-"))
    layout, ports = Layout(folder=folder), Ports(base=free_port_base())
    token = keys.prepare(layout, districts=[DISTRICT])
    await drop_database(bench.server_url, DATABASE)
    await administer(bench.server_url, f"CREATE DATABASE {DATABASE}")
    url = postgres_admin.with_database(bench.server_url, DATABASE)
    await asyncio.to_thread(migrate.migrate_all, url, on_schema=lambda _schema: None)
    if bench.bootstrap is not None:
        await asyncio.to_thread(migrate.declare_on_kafka, bench.bootstrap)
    scim = await asyncio.to_thread(start_scim, layout.logs, port=ports.scim)
    if isinstance(scim, Missing):
        raise Fatal(str(scim))
    supervisor = Supervisor(layout=layout, ports=ports)
    operator = OperatorClient(ports=ports, token=token)
    try:
        supervisor.start(
            Installation(
                layout=layout,
                ports=ports,
                database_url=url,
                database_embedded=False,
                operator_public_key=keys.public_key(layout),
                body_key=keys.body_key(layout),
                scim_url=scim.url,
                scim_token=scim.token,
                kafka_bootstrap=bench.bootstrap,
            )
        )
        for service in PROCESSES:
            await asyncio.to_thread(supervisor.wait_ready, service)
        yield Installed(
            folder=folder, ports=ports, operator=operator, scim=scim, supervisor=supervisor
        )
    finally:
        operator.close()
        await asyncio.to_thread(supervisor.stop)
        await asyncio.to_thread(scim.stop)
        await drop_database(bench.server_url, DATABASE)
        shutil.rmtree(folder, ignore_errors=True)
