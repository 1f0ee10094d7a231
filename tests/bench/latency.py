"""Produce to consume: 200 events a second, one commit each, from here to another process.

Counted from the return of the writer's commit until the handler is called, and until the
handler's effects are committed. Writer, relay and consumer are processes of their own, as in the
product; the writer keeps to a timetable, whether or not the others keep up.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic

from roster_common.contracts.envelope import Event
from roster_common.runtime.database import Database
from roster_common.runtime.log.kafka_topics import declare_topics
from tests.bench.events import IDS, districts, made_up
from tests.bench.follower import Orders
from tests.bench.measuring import Bench, Figures, Lineup, Sample, Stalled, percentile
from tests.bench.servers import drop_database, fresh_database, give_back

ROOT = Path(__file__).resolve().parents[2]
EVENTS_PER_S = 200
WRITERS = 4
ROUNDS = 2
WITHIN_S = 65.0
WARM_UP_S = 1.5
ARRIVAL_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
LINE_BYTES = 1_000_000


@asynccontextmanager
async def latency(bench: Bench) -> AsyncIterator[Lineup]:
    """Both transports, Kafka where there is one, each with a database of its own."""
    async with AsyncExitStack() as stack:
        roads = [await stack.enter_async_context(_road(bench, "postgres", bootstrap=None))]
        if bench.bootstrap is not None:
            kafka = _road(bench, "kafka", bootstrap=bench.bootstrap)
            roads.append(await stack.enter_async_context(kafka))
        yield Lineup(
            samples=[_sample(road, bench.plan.latency_s) for road in roads],
            warm_up=[_sample(road, WARM_UP_S) for road in roads],
            rounds=1 if bench.plan.quick else ROUNDS,
            within_s=WITHIN_S,
        )


@dataclass(slots=True, kw_only=True)
class _Arrivals:
    """When each event was handled and its effects committed; `all_in` once none is missing."""

    missing: set[str] = field(default_factory=set)
    handled: dict[str, float] = field(default_factory=dict)
    committed: dict[str, float] = field(default_factory=dict)
    all_in: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, ids: Sequence[str]) -> None:
        self.missing = set(ids)
        self.handled.clear()
        self.committed.clear()
        self.all_in.clear()

    def add(self, line: Mapping[str, object]) -> None:
        ids = line["ids"]
        assert isinstance(ids, list)
        for event_id in ids:
            self.handled[event_id] = float(str(line["handled"]))
            self.committed[event_id] = float(str(line["committed"]))
        self.missing.difference_update(ids)
        if not self.missing:
            self.all_in.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Road:
    """One transport: where to write, and what arrives at its end."""

    name: str
    database: Database
    arrivals: _Arrivals


@asynccontextmanager
async def _road(bench: Bench, name: str, *, bootstrap: str | None) -> AsyncIterator[_Road]:
    database_name = f"homeroom_bench_latency_{name}"
    async with AsyncExitStack() as stack:
        url = await fresh_database(bench.server_url, database_name)
        stack.push_async_callback(drop_database, bench.server_url, database_name)
        orders = partial(
            Orders, url=url, bootstrap=bootstrap, prefix=f"bench-latency.{IDS.new_id()}."
        )
        arrivals = _Arrivals()
        if bootstrap is not None:
            await declare_topics(bootstrap, prefix=orders.keywords["prefix"])
            await stack.enter_async_context(_follower(orders(role="relay"), arrivals))
        await stack.enter_async_context(_follower(orders(role="consumer"), arrivals))
        database = Database(url, name="bench-latency", pool_size=WRITERS)
        stack.push_async_callback(give_back, database)
        yield _Road(name=name, database=database, arrivals=arrivals)


@asynccontextmanager
async def _follower(orders: Orders, arrivals: _Arrivals) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.follower",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        cwd=ROOT, limit=LINE_BYTES, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asdict(orders)).encode() + b"\n")
    listening = asyncio.create_task(_listen(process.stdout, arrivals))
    try:
        yield
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), timeout=STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        await listening


async def _listen(lines: asyncio.StreamReader, arrivals: _Arrivals) -> None:
    async for line in lines:
        arrivals.add(json.loads(line))


def _sample(road: _Road, seconds: float) -> Sample:
    async def sample() -> Figures:
        events = made_up(int(EVENTS_PER_S * seconds), of=districts())
        road.arrivals.expect([event.id for event in events])
        written = await _write(road.database, events)
        try:
            async with asyncio.timeout(ARRIVAL_TIMEOUT_S):
                await road.arrivals.all_in.wait()
        except TimeoutError:
            missing = len(road.arrivals.missing)
            raise Stalled(
                f"latency.{road.name}: {missing} of {len(events)} events did not come"
            ) from None
        return _figures(road, written)

    return sample


async def _write(database: Database, events: Sequence[Event]) -> dict[str, float]:
    """Commit each event at its time; when each commit returned, by event id."""
    written: dict[str, float] = {}
    began = monotonic()

    async def write(writer: int) -> None:
        for number in range(writer, len(events), WRITERS):
            due = began + number / EVENTS_PER_S
            await asyncio.sleep(max(0.0, due - monotonic()))
            async with database.begin() as tx:
                tx.emit(events[number])
            written[events[number].id] = monotonic()

    async with asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(write(writer))
    return written


def _figures(road: _Road, written: Mapping[str, float]) -> Figures:
    took = max(written.values()) - min(written.values())
    figures = {f"latency.{road.name}.rate": (len(written) - 1) / took}
    for what, times in (
        ("handled", road.arrivals.handled),
        ("committed", road.arrivals.committed),
    ):
        # A reader may see a commit a moment before its writer hears of it.
        waits = [max(0.0, times[event_id] - at) * 1000 for event_id, at in written.items()]
        for percent in (50, 99):
            figures[f"latency.{road.name}.{what}.p{percent}"] = percentile(waits, percent)
    return figures
