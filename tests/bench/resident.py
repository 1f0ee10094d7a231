"""How much resident memory a process takes beyond what it has when idle, watched from outside."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil

LOOK_S = 0.1
MB = 1_000_000


@dataclass(slots=True, kw_only=True)
class Resident:
    """Bytes by process name: when the watch began, and the most seen since."""

    idle: Mapping[str, int]
    peak: dict[str, int] = field(default_factory=dict)

    def growth_mb(self, name: str) -> float:
        """Peak minus idle of one process."""
        return (self.peak[name] - self.idle[name]) / MB


@asynccontextmanager
async def watching(pids: Mapping[str, int]) -> AsyncIterator[Resident]:
    """Look at the processes ten times a second for as long as the block runs."""
    processes = {name: psutil.Process(pid) for name, pid in pids.items()}
    idle = {name: process.memory_info().rss for name, process in processes.items()}
    resident = Resident(idle=idle, peak=dict(idle))

    async def look() -> None:
        while True:
            for name, process in processes.items():
                resident.peak[name] = max(resident.peak[name], process.memory_info().rss)
            await asyncio.sleep(LOOK_S)

    watcher = asyncio.create_task(look())
    try:
        yield resident
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
