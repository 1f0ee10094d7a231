"""Large snapshots: a district of any size as a package, and an emulated SIS read page by page.

A real sis-ingest process on real PostgreSQL, seen through its doors. Each sample has a process of
its own: the heap of one that has lived through a load has room for the next. The package is made
up as a stream beforehand; how many students there are says `--students`.
"""

import asyncio
import json
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx2

from homeroom.demo.archive import write_archive
from homeroom.demo.district import District, school_year_of
from homeroom.layout import Ports
from homeroom.operator_client import OperatorClient
from homeroom.parts.processes import free_port, port_answers, start_child
from homeroom.services import SIS_INGEST
from roster_common.runtime.migrations import migrate
from roster_common.runtime.tokens import mint, new_keypair
from tests.bench.measuring import Bench, Figures, Lineup, Stalled
from tests.bench.resident import Resident, watching
from tests.bench.servers import drop_database, fresh_database
from tests.support.emulators import Emulator, emulator
from tests.support.pulling import oneroster_source

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "homeroom_bench_snapshot"
SEED = 20_260
EMULATED_MOST = 15_000
START_TIMEOUT_S = 30.0
# A slow machine, with something left: whoever is slower than this has no figure, but a reason.
WITHIN_S, WITHIN_S_PER_STUDENT = 120.0, 0.02
# Where the progress of a run stands when all of its file is read and staged.
READ_PERCENT = 40
LOOK_S = 0.25


@asynccontextmanager
async def snapshots(bench: Bench) -> AsyncIterator[Lineup]:
    """First load and unchanged load, of a package and of a pull: one round, in this order."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = await fresh_database(bench.server_url, DATABASE)
        stack.push_async_callback(drop_database, bench.server_url, DATABASE)
        await migrate(url, schema="sis_ingest", script_package="sis_ingest.migrations")
        emulated = str(min(bench.students, EMULATED_MOST))
        sis = stack.enter_context(emulator("oneroster", "--students", emulated, folder=folder))
        within_s = WITHIN_S + WITHIN_S_PER_STUDENT * bench.students
        big = _Big(url=url, folder=folder, students=bench.students, sis=sis, within_s=within_s)
        await asyncio.to_thread(big.make_up)
        yield Lineup(
            samples=(
                partial(big.package, "snapshot.first"),
                partial(big.package, "snapshot.again"),
                partial(big.pull, "pull.first"),
                partial(big.pull, "pull.again"),
            ),
            warm_up=(),
            rounds=1,
            sample_timeout_s=within_s + START_TIMEOUT_S,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ingest:
    """A fresh process: its pid, and an operator who may do all there."""

    pid: int
    ports: Ports
    operator: OperatorClient

    def ask_pull(self) -> str:
        """A full pull; its id."""
        at = f"http://127.0.0.1:{self.ports.of(SIS_INGEST.offset)}/pulls/pulled"
        asked = httpx2.post(
            at,
            params={"mode": "full"},
            headers={"Authorization": f"Bearer {self.operator.token}"},
        )
        return str(asked.raise_for_status().json()["pullId"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Big:
    """One database and what is loaded into it, each in a district of its own."""

    url: str
    folder: Path
    students: int
    sis: Emulator
    within_s: float
    keys: tuple[str, str] = field(default_factory=new_keypair)

    @property
    def file(self) -> Path:
        return self.folder / "district.zip"

    def make_up(self) -> None:
        """Write the package; rows come and go."""
        year = school_year_of(datetime.now(UTC).date())
        write_archive(District(students=self.students, seed=SEED, school_year=year), self.file)

    async def package(self, key: str) -> Figures:
        """From the first byte of the zip to the end of its run."""
        # The same rows in other bytes, as a nightly export is.
        with zipfile.ZipFile(self.file, "a") as archive:
            archive.comment = key.encode()
        async with self._ingest() as ingest, _watched(ingest) as memory:
            look = _Look(key=key, memory=memory, within_s=self.within_s)
            run = await asyncio.to_thread(
                ingest.operator.upload, "files", self.file, on_bytes=lambda _sent: None
            )
            return await look.until_applied(ingest, str(run["runId"]))

    async def pull(self, key: str) -> Figures:
        """From asking for a full pull to the end of its run; `read` is all but that run."""
        async with self._ingest() as ingest, _watched(ingest) as memory:
            look = _Look(key=key, memory=memory, within_s=self.within_s)
            pull = await asyncio.to_thread(ingest.ask_pull)
            run = await look.until_pulled(ingest, pull)
            return await look.until_applied(ingest, run)

    @asynccontextmanager
    async def _ingest(self) -> AsyncIterator[_Ingest]:
        port = free_port()
        sources = [
            {"id": "files", "district": "by-file"},
            oneroster_source(self.sis, pageSize=1_000) | {"district": "by-pull"},
        ]
        child = await asyncio.to_thread(
            start_child,
            "sis-ingest",
            [sys.executable, "-m", "sis_ingest", "serve"],
            log=self.folder / "sis-ingest.log",
            cwd=ROOT,
            env={
                "HOMEROOM_DATABASE_URL": self.url,
                "HOMEROOM_ENVIRONMENT": "test",
                "HOMEROOM_PORT": str(port),
                "HOMEROOM_OPERATOR_PUBLIC_KEY": self.keys[1],
                "HOMEROOM_DATA_DIR": str(self.folder / "data"),
                "HOMEROOM_SOURCES": json.dumps(sources),
            },
        )
        ports = Ports(base=port - SIS_INGEST.offset)
        operator = OperatorClient(ports=ports, token=self._token())
        try:
            await asyncio.to_thread(
                child.wait_until, lambda: port_answers(port), within_s=START_TIMEOUT_S
            )
            yield _Ingest(pid=child.process.pid, ports=ports, operator=operator)
        finally:
            operator.close()
            await asyncio.to_thread(child.stop)

    def _token(self) -> str:
        return mint(
            self.keys[0],
            subject="bench",
            role="operator",
            districts=["by-file", "by-pull"],
            now=datetime.now(UTC),
        )


@asynccontextmanager
async def _watched(ingest: _Ingest) -> AsyncIterator[Resident]:
    async with watching({SIS_INGEST.name: ingest.pid}) as memory:
        yield memory


@dataclass(slots=True, kw_only=True)
class _Look:
    """What is seen of one load from outside, against the clock."""

    key: str
    memory: Resident
    within_s: float
    began: float = field(default_factory=perf_counter)
    read_s: float | None = None

    async def until_pulled(self, ingest: _Ingest, pull: str) -> str:
        """The id of the run that a pull ends in."""
        while True:
            page = await asyncio.to_thread(ingest.operator.read, SIS_INGEST, f"/pulls/{pull}")
            if page["runId"] is not None:
                self.read_s = perf_counter() - self.began
                return str(page["runId"])
            if page["state"] == "failed":
                raise Stalled(f"{self.key}: the pull failed")
            await self._pause("the pull did not end")

    async def until_applied(self, ingest: _Ingest, run_id: str) -> Figures:
        """The figures of a run that completes."""
        while True:
            run = await asyncio.to_thread(ingest.operator.run, run_id)
            if self.read_s is None and run["percent"] >= READ_PERCENT:
                self.read_s = perf_counter() - self.began
            if run["state"] == "completed":
                return self._figures(run)
            if run["state"] in {"refused", "failed"}:
                raise Stalled(f"{self.key}: the run ended as {run['state']}")
            await self._pause(f"{run['percent']} %, {_rows(run, 'read')} rows read")

    def _figures(self, run: Mapping[str, Any]) -> Figures:
        seconds = perf_counter() - self.began
        read_s = seconds if self.read_s is None else self.read_s
        if self.key.endswith("again") and (changed := _rows(run, "changed")):
            raise Stalled(f"{self.key}: {changed} rows changed by an unchanged load")
        return {
            f"{self.key}.rate": _rows(run, "read") / seconds,
            f"{self.key}.read": read_s,
            f"{self.key}.apply": seconds - read_s,
            f"{self.key}.memory": self.memory.growth_mb(SIS_INGEST.name),
        }

    async def _pause(self, so_far: str) -> None:
        seconds = perf_counter() - self.began
        if seconds > self.within_s:
            grown = self.memory.growth_mb(SIS_INGEST.name)
            raise Stalled(f"{self.key}: {so_far} in {seconds:.0f} s, {grown:.0f} MB above idle")
        await asyncio.sleep(LOOK_S)


def _rows(run: Mapping[str, Any], what: str) -> int:
    return sum(counts[what] for counts in run["counts"].values())
