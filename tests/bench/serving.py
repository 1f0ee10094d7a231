"""HTTP: the yardstick's rate at one and at eight connections, one uvicorn worker on uvloop."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from homeroom.parts.processes import free_port, port_answers, start_child
from tests.bench.load import get, load
from tests.bench.measuring import Bench, Figures, Lineup, Sample

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
START_TIMEOUT_S = 20.0
OPTIONS = (
    *("--loop", "uvloop", "--http", "httptools", "--workers", "1"),
    *("--no-access-log", "--log-level", "warning", "--lifespan", "off"),
)


@asynccontextmanager
async def serving(bench: Bench) -> AsyncIterator[Lineup]:
    """The yardstick at one and at eight connections."""
    async with yardstick() as port:
        yield Lineup(
            samples=[
                _rate(port, connections=connections, seconds=bench.plan.writing_s)
                for connections in (1, 8)
            ]
        )


@asynccontextmanager
async def yardstick() -> AsyncIterator[int]:
    """The yardstick in a process of its own; its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        child = await asyncio.to_thread(
            start_child,
            "yardstick",
            [
                *(sys.executable, "-m", "uvicorn", "tests.bench.yardstick:app"),
                *("--host", HOST, "--port", str(port), *OPTIONS),
            ],
            log=Path(folder) / "yardstick.log",
            cwd=ROOT,
        )
        try:
            await asyncio.to_thread(
                child.wait_until, lambda: port_answers(port), within_s=START_TIMEOUT_S
            )
            yield port
        finally:
            await asyncio.to_thread(child.stop)


def _rate(port: int, *, connections: int, seconds: float) -> Sample:
    async def sample() -> Figures:
        done = await load(HOST, port, get("/", host=HOST), connections=connections, seconds=seconds)
        return {f"http.yardstick.{connections}": done.requests_per_s}

    return sample
