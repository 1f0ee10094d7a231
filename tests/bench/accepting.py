"""Webhook accept: signature, durable commit, 202, through the door of a real sis-ingest process.

The deliveries it accepts are applied in the same process meanwhile, as in the product. Saturation
is what 16 connections get that ask again at once; the waits are of 300 deliveries a second on a
timetable, counted from when each was due. Every delivery is another record.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter

import asyncpg

from homeroom.parts.processes import free_port, port_answers, start_child
from roster_common.runtime.migrations import migrate
from roster_common.runtime.tokens import new_keypair
from tests.bench.load import HEAD_END, load
from tests.bench.measuring import Bench, Figures, Lineup, Sample, Stalled, percentile
from tests.bench.servers import drop_database, fresh_database
from tests.bench.serving import HOST, yardstick
from tests.support.ingesting import SECRET, envelope, signed, user

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "homeroom_bench_accept"
CONNECTIONS = 16
PACED_PER_S = 300
PACED_CONNECTIONS = 32
# More than any door here takes in a second; what is not sent is thrown away.
MOST_PER_S = 3_000
START_TIMEOUT_S = 30.0
DRAIN_TIMEOUT_S = 40.0
LOOK_S = 0.05
ACCEPTED = b"HTTP/1.1 202"
NUMBERS = count()


@asynccontextmanager
async def accepting(bench: Bench) -> AsyncIterator[Lineup]:
    """The service on a database of its own, and the yardstick beside it."""
    async with AsyncExitStack() as stack:
        url = await fresh_database(bench.server_url, DATABASE)
        stack.push_async_callback(drop_database, bench.server_url, DATABASE)
        await migrate(url, schema="sis_ingest", script_package="sis_ingest.migrations")
        port = await stack.enter_async_context(_service(url))
        bare = await stack.enter_async_context(yardstick())
        look = await asyncpg.connect(url, timeout=10)
        stack.push_async_callback(look.close, timeout=5)
        seconds = bench.plan.writing_s
        yield Lineup(
            samples=[
                partial(_saturated, port, look, seconds),
                partial(_paced, port, look, seconds * 2),
                _bare(bare, seconds),
            ]
        )


@asynccontextmanager
async def _service(url: str) -> AsyncIterator[int]:
    port = free_port()
    _, public_key = new_keypair()
    with tempfile.TemporaryDirectory() as folder:
        child = await asyncio.to_thread(
            start_child,
            "sis-ingest",
            [sys.executable, "-m", "sis_ingest", "serve"],
            log=Path(folder) / "sis-ingest.log",
            cwd=ROOT,
            env={
                "HOMEROOM_DATABASE_URL": url,
                "HOMEROOM_ENVIRONMENT": "test",
                "HOMEROOM_PORT": str(port),
                "HOMEROOM_OPERATOR_PUBLIC_KEY": public_key,
                "HOMEROOM_DATA_DIR": folder,
                "HOMEROOM_SOURCES": json.dumps(
                    [{"id": "bench", "district": "bench", "secrets": [SECRET]}]
                ),
            },
        )
        try:
            await asyncio.to_thread(
                child.wait_until, lambda: port_answers(port), within_s=START_TIMEOUT_S
            )
            yield port
        finally:
            await asyncio.to_thread(child.stop)


def _requests(number: int) -> Sequence[bytes]:
    """Signed deliveries, ready to write; signing costs the sender, not the door."""
    now = datetime.now(UTC)
    found = []
    for _ in range(number):
        name = f"u{next(NUMBERS)}"
        body = envelope("users.upserted", user(name), at=now)
        headers = signed(body, webhook_id=f"m-{name}", at=now)
        lines = ["POST /webhooks/bench HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
        lines += [f"{key}: {value}" for key, value in headers.items()]
        found.append("\r\n".join(lines).encode() + HEAD_END + body)
    return found


async def _saturated(port: int, look: asyncpg.Connection, seconds: float) -> Figures:
    requests: Iterator[bytes] = iter(_requests(int(MOST_PER_S * seconds)))
    done = await load(HOST, port, lambda: next(requests), connections=CONNECTIONS, seconds=seconds)
    if set(done.statuses) != {202}:
        raise Stalled(f"accept: answers other than 202: {sorted(done.statuses)}")
    await _drained(look)
    return {"accept.saturated": done.requests_per_s}


async def _paced(port: int, look: asyncpg.Connection, seconds: float) -> Figures:
    requests = _requests(int(PACED_PER_S * seconds))
    waits: list[float] = []
    began = perf_counter() + LOOK_S

    async def send(first: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        for number in range(first, len(requests), PACED_CONNECTIONS):
            due = began + number / PACED_PER_S
            await asyncio.sleep(max(0.0, due - perf_counter()))
            writer.write(requests[number])
            head = await reader.readuntil(HEAD_END)
            if not head.startswith(ACCEPTED):
                raise Stalled("accept: an answer other than 202")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            waits.append((perf_counter() - due) * 1000)
        writer.close()

    async with asyncio.TaskGroup() as group:
        for first in range(PACED_CONNECTIONS):
            group.create_task(send(first))
    await _drained(look)
    return {f"accept.paced.p{percent}": percentile(waits, percent) for percent in (50, 99)}


def _bare(port: int, seconds: float) -> Sample:
    async def sample() -> Figures:
        (request,) = _requests(1)
        done = await load(HOST, port, request, connections=CONNECTIONS, seconds=seconds)
        return {"accept.yardstick": done.requests_per_s}

    return sample


async def _drained(look: asyncpg.Connection) -> None:
    """What was accepted is applied, so that it does not weigh on the next sample."""
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while await look.fetchval(
                "SELECT EXISTS (SELECT FROM sis_ingest.delivery WHERE state = 'waiting')"
            ):
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise Stalled("accept: what was accepted was not applied") from None
