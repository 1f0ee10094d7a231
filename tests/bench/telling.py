"""Webhooks to a vendor: a real roster-publisher process, a receiver here that takes everything.

First the whole view is told, call after call, as to a vendor that has just subscribed; beside it
stands the same receiver posted to by a bare client. Then single changes, far enough apart that each
is told alone: from the return of the commit that puts it on the log until its call has come.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter

import orjson

from homeroom.parts.processes import free_port
from roster_common.contracts.envelope import Event, new_event
from roster_common.contracts.record_upserted_v1 import UPSERTED
from roster_common.contracts.validation import read_object
from roster_common.runtime.clock import SystemClock
from roster_common.runtime.migrations import migrate
from tests.bench.backlog import append
from tests.bench.events import IDS, WRITER
from tests.bench.exchange import request
from tests.bench.load import load
from tests.bench.measuring import Bench, Figures, Lineup, Stalled, percentile
from tests.bench.reading import DISTRICT, FILL_TIMEOUT_S, fill, service
from tests.bench.servers import drop_database, fresh_database
from tests.bench.serving import HOST
from tests.support import oneroster_records as records

DATABASE = "homeroom_bench_tell"
SCHOOLS, SCHOOLS_QUICK = 5, 1
CHANGES, CHANGES_QUICK = 30, 5
# A subscription makes two calls a second at most; a change within that waits for the next one.
APART_S = 0.8
ARRIVE_WITHIN_S = 30.0
TOLD_WITHIN_S = 120.0
QUIET_S = 2.0
SECRET = "whsec_YmVuY2gtd2ViaG9vay1zZWNyZXQtMjQtYnl0ZXM="
TAKEN = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
END = b"\r\n\r\n"


@asynccontextmanager
async def telling(bench: Bench) -> AsyncIterator[Lineup]:
    """600 students and 4,000 enrolments a school, five of them; one with `--quick`."""
    quick = bench.plan.quick
    async with AsyncExitStack() as stack:
        url = await fresh_database(bench.server_url, DATABASE)
        stack.push_async_callback(drop_database, bench.server_url, DATABASE)
        await migrate(url, schema="roster_publisher", script_package="roster_publisher.migrations")
        async with asyncio.timeout(FILL_TIMEOUT_S):
            await fill(url, SCHOOLS_QUICK if quick else SCHOOLS)
        receiver = await stack.enter_async_context(_receiving())
        await stack.enter_async_context(
            service(
                url,
                webhook={"url": f"http://{HOST}:{receiver.port}/hook", "secrets": [SECRET]},
                env={
                    "HOMEROOM_PUBLIC_URL": "http://roster.test",
                    "HOMEROOM_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
                },
            )
        )
        story = _Story(
            url=url,
            receiver=receiver,
            changes=CHANGES_QUICK if quick else CHANGES,
            seconds=bench.plan.writing_s,
        )
        yield Lineup(
            samples=(story.told, story.bare, story.delays),
            warm_up=(),
            rounds=1,
            sample_timeout_s=TOLD_WITHIN_S + ARRIVE_WITHIN_S,
        )


@dataclass
class _Receiver:
    """`calls` are (when a call had come, its body)."""

    port: int
    calls: list[tuple[float, bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take what comes on one connection, until it ends."""
        try:
            while True:
                head = (await reader.readuntil(END)).lower()
                _, _, rest = head.partition(b"content-length:")
                body = await reader.readexactly(int(rest.partition(b"\r\n")[0]))
                self.calls.append((perf_counter(), body))
                writer.write(TAKEN)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def _receiving() -> AsyncIterator[_Receiver]:
    receiver = _Receiver(port=free_port())
    server = await asyncio.start_server(receiver.serve, HOST, receiver.port, limit=2**21)
    try:
        yield receiver
    finally:
        server.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    """The rows in their order."""

    url: str
    receiver: _Receiver
    changes: int
    seconds: float

    async def told(self) -> Figures:
        """From the first call to the last one of the whole view."""
        async with asyncio.timeout(TOLD_WITHIN_S):
            while not await self._is_quiet():
                pass
        calls = self.receiver.calls
        if len(calls) < 2:
            raise Stalled(f"tell: {len(calls)} calls came")
        seconds = calls[-1][0] - calls[0][0]
        told = sum(len(_changes(body)) for _, body in calls[1:])
        return {"tell.calls": (len(calls) - 1) / seconds, "tell.changes": told / seconds}

    async def bare(self) -> Figures:
        """The largest of these calls, by a client that does nothing else."""
        body = max((body for _, body in self.receiver.calls), key=len)
        asked = request("POST", "/hook", body=body)
        done = await load(HOST, self.receiver.port, asked, connections=1, seconds=self.seconds)
        return {"tell.bare": done.requests_per_s}

    async def delays(self) -> Figures:
        """Milliseconds, of changes that are told alone."""
        waits = []
        for number in range(self.changes):
            before = len(self.receiver.calls)
            who = f"s000-u{number:04d}"
            await append(self.url, [_renamed(who, f"Told {number}")])
            waits.append(1000 * await self._until_told(who, since=before, began=perf_counter()))
            await asyncio.sleep(APART_S)
        return {"tell.delay.p50": percentile(waits, 50), "tell.delay.p99": percentile(waits, 99)}

    async def _is_quiet(self) -> bool:
        """Whether calls have come, and none any more."""
        before = len(self.receiver.calls)
        await asyncio.sleep(QUIET_S)
        return 0 < before == len(self.receiver.calls)

    async def _until_told(self, who: str, *, since: int, began: float) -> float:
        async with asyncio.timeout(ARRIVE_WITHIN_S):
            while True:
                for came, body in self.receiver.calls[since:]:
                    if any(one["sourcedId"] == who for one in _changes(body)):
                        return came - began
                await asyncio.sleep(0.002)


def _changes(body: bytes) -> list[dict[str, str]]:
    data = orjson.loads(body)["data"]
    return list(data.get("changes", ()))


def _renamed(who: str, name: str) -> Event:
    record = records.user(who, records.role("s000"), givenName=name)
    return new_event(
        read_object(UPSERTED["user"], {"record": record, "changed": ["givenName"]}),
        event_id=IDS.new_id(),
        time=SystemClock().now(),
        service=WRITER,
        district_id=DISTRICT,
        correlation_id="bench",
        origin="webhook",
    )
