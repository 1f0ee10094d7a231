"""The command behind `make bench`: starts the parts, measures section by section, reports.

Ends with 1 only when something could not be measured that should have been, never on a time.
"""

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console

from homeroom.parts.kafka import RunningKafka
from homeroom.parts.missing import Missing
from roster_common.runtime.service import settle_memory
from tests.bench.accepting import accepting
from tests.bench.appending import appending
from tests.bench.consuming import consuming
from tests.bench.latency import latency
from tests.bench.measuring import FULL, QUICK, Bench, Lineup, Plan, interleave
from tests.bench.packing import packing
from tests.bench.publishing import publishing
from tests.bench.quiet import quiet as quiet_logs
from tests.bench.reading import reading
from tests.bench.relaying import relaying
from tests.bench.report import machine, show, write_json
from tests.bench.results import read_marks, results
from tests.bench.scoping import scoping
from tests.bench.servers import Servers, durability, running
from tests.bench.serving import serving
from tests.bench.snapshots import snapshots
from tests.bench.telling import telling
from tests.bench.whole import whole

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_JSON = ROOT / ".bench" / "latest.json"
WITH_KAFKA = {"consume", "relay", "latency", "whole"}
QUIET_LOAD_PER_CORE = 0.5
FILE_WIDTH = 132
SMALL = "quick: a district of 500, so the distances of its rows (first load … memory) say nothing"
# A large snapshot adds to the time of a run what a slow machine needs for its students.
S_PER_STUDENT = 0.015
OUT_OF_TIME = "not all of it, the time of this run was over"
COULD_NOT_MEASURE = 1
NO_PARTS = 3

Section = Callable[[Bench], AbstractAsyncContextManager[Lineup]]
SECTIONS: Mapping[str, Section] = {
    "append": appending,
    "http": serving,
    "accept": accepting,
    "read": reading,
    "package": packing,
    "tell": telling,
    "consume": consuming,
    "publish": publishing,
    "scopes": scoping,
    "relay": relaying,
    "latency": latency,
    "whole": whole,
    "snapshot": snapshots,
}


def main() -> None:
    """Run the command line."""
    typer.run(bench)


def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute, one round: a look.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help=f"One section; may repeat: {', '.join(SECTIONS)}.")
    ] = None,
    students: Annotated[
        int | None, typer.Option(min=1, help="Of the large snapshot; 100,000, or 2,000 if quick.")
    ] = None,
    json: Annotated[Path, typer.Option(help="Where to write the figures.")] = DEFAULT_JSON,
) -> None:
    """Measure on real PostgreSQL and Kafka and print each figure beside its mark."""
    wanted = list(only or SECTIONS)
    if strangers := set(wanted) - SECTIONS.keys():
        raise typer.BadParameter(f"no such section: {', '.join(sorted(strangers))}")
    read_marks()  # a fault in the file is better found before four minutes of work
    quiet_logs()
    console = Console()
    if not console.is_terminal:
        console.width = FILE_WIDTH
    began = perf_counter()
    with running(with_kafka=not WITH_KAFKA.isdisjoint(wanted)) as servers:
        if isinstance(servers, Missing):
            console.print(str(servers), style="red")
            raise typer.Exit(NO_PARTS)
        _say_what_runs(console, servers)
        plan = _plan(QUICK if quick else FULL, wanted, students)
        run = _Run(plan=plan, servers=servers, console=console, ends_at=began + plan.total_s)
        # Consumers run in this process as they do in a service's, which begins with this.
        settle_memory()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run.measure(wanted))
    found = results(run.figures)
    show(console, found, facts=run.facts)
    if quick and "whole" in wanted:
        console.print(SMALL, style="yellow")
    for section, reason in run.not_measured.items():
        console.print(f"not measured: {section}: {reason}", style="yellow")
    seconds = perf_counter() - began
    write_json(
        json,
        facts=run.facts,
        results=found,
        not_measured=run.not_measured,
        quick=quick,
        seconds=seconds,
    )
    console.print(f"{seconds:.0f} s")
    if run.failed:
        raise typer.Exit(COULD_NOT_MEASURE)


def _plan(plan: Plan, wanted: Sequence[str], students: int | None) -> Plan:
    plan = replace(plan, students=students or plan.students)
    if "snapshot" not in wanted:
        return plan
    return replace(plan, total_s=plan.total_s + S_PER_STUDENT * plan.students)


def _say_what_runs(console: Console, servers: Servers) -> None:
    console.print(str(servers.postgres))
    if servers.kafka is not None:
        console.print(str(servers.kafka))
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    if load > cores * QUIET_LOAD_PER_CORE:
        console.print(
            f"the machine is busy (load {load:.1f} on {cores} cores): read sizes, not figures",
            style="yellow",
        )


class _Run:
    """One run over the sections; what one cannot do does not stop the next."""

    def __init__(self, *, plan: Plan, servers: Servers, console: Console, ends_at: float) -> None:
        self.figures: dict[str, list[float]] = {}
        self.not_measured: dict[str, str] = {}
        self.failed = False
        self.facts: dict[str, Any] = {}
        self._plan = plan
        self._servers = servers
        self._console = console
        self._ends_at = ends_at

    async def measure(self, sections: Sequence[str]) -> None:
        """Measure one section after the other until all are done or the time is over."""
        server_url = self._servers.postgres.url
        self.facts = machine(self._servers, await durability(server_url))
        if WITH_KAFKA & set(sections) and not isinstance(self._servers.kafka, RunningKafka):
            self.not_measured["rows with Kafka"] = "Kafka is not available here"
        bench = Bench(plan=self._plan, server_url=server_url, bootstrap=self._servers.bootstrap)
        for section in sections:
            began = perf_counter()
            with self._console.status(f"measuring {section} …"):
                await self._section(section, bench)
            self._console.print(f"{section}: {perf_counter() - began:.0f} s", style="dim")

    async def _section(self, section: str, bench: Bench) -> None:
        left = self._ends_at - perf_counter()
        if left <= 0:
            self.not_measured[section] = OUT_OF_TIME
            return
        stalls: list[str] = []
        try:
            async with asyncio.timeout(left), SECTIONS[section](bench) as lineup:
                await interleave(lineup, plan=bench.plan, found=self.figures, stalls=stalls)
        except Exception as error:  # noqa: BLE001 - said in the report; the next section may do
            if perf_counter() >= self._ends_at:
                self.not_measured[section] = OUT_OF_TIME
                return
            self.failed = True
            self.not_measured[section] = type(error).__name__
            traceback.print_exc(file=sys.stderr)
        if stalls:
            self.failed = True
            self.not_measured[f"{section}, {len(stalls)} samples"] = "; ".join(sorted(set(stalls)))
