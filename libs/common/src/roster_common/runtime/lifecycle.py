"""Background loops of one process: started together, watched, and stopped within a bound.

Stop means: claim no more, drain, cancel, and say what did not stop. Knows no domain and no server.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from roster_common.errors import Fatal, Retriable
from roster_common.ports import Clock
from roster_common.runtime.clock import SystemClock
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.health import Check
from roster_common.runtime.logging import get_logger
from roster_common.runtime.metrics import metric

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 30.0
# A loop that ran this long before it failed starts again at the first backoff.
SOUND_RUN_S = 60.0
# Errors nobody foresaw, in a row, before the process gives up and asks to be restarted.
UNEXPECTED_LIMIT = 5

logger = get_logger(__name__)


class Stopping:
    """The sign to stop, which every loop looks at before it claims more work."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def is_set(self) -> bool:
        """Say whether the process is stopping."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask all loops to stop. May be called often."""
        self._event.set()

    async def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`; True as soon as the process is stopping, else False."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        return True


Run = Callable[[Stopping], Awaitable[None]]
OnFatal = Callable[[str], None]
State = Literal["waiting", "running", "backing_off", "ended", "failed"]


@dataclass(slots=True, kw_only=True)
class _Loop:
    name: str
    run: Run
    state: State = "waiting"
    restarts: int = 0
    last_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReport:
    """How the loops ended. `stuck` ones ignored even the cancel: the process must exit hard."""

    drained: tuple[str, ...]
    cancelled: tuple[str, ...]
    stuck: tuple[str, ...]


class Lifecycle:
    """Owns the background loops of a process.

    `on_fatal` gets the name of a loop that will not run again; it must only make the process
    stop (set an event, tell the server to exit), never block.
    """

    def __init__(
        self,
        *,
        drain_timeout_s: float = 10.0,
        cancel_timeout_s: float = 5.0,
        on_fatal: OnFatal | None = None,
        clock: Clock | None = None,
        backoff_first_s: float = BACKOFF_FIRST_S,
    ) -> None:
        self._backoff_first_s = backoff_first_s
        self.stopping = Stopping()
        self._drain_timeout_s = drain_timeout_s
        self._cancel_timeout_s = cancel_timeout_s
        self._on_fatal = on_fatal
        self._clock = clock or SystemClock()
        self._loops: dict[str, _Loop] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, name: str, run: Run) -> None:
        """Add a loop. It should return soon after `Stopping` is set; one that returns is done."""
        if name in self._loops:
            message = f"two loops are called {name}"
            raise Fatal(message)
        self._loops[name] = _Loop(name=name, run=run)
        if self._tasks:
            self._start(self._loops[name])

    def every(
        self, name: str, seconds: float, fn: Callable[[], Awaitable[None]], *, timeout_s: float
    ) -> None:
        """Add a loop that calls `fn` at once and then `seconds` after each end.

        A call has `timeout_s`; a longer one counts as Retriable and comes again after a backoff.
        """

        async def run(stopping: Stopping) -> None:
            while not stopping.is_set():
                async with asyncio.timeout(timeout_s):
                    await fn()
                await stopping.wait(seconds)

        self.add(name, run)

    def start(self) -> None:
        """Start every loop. Call once, inside the running event loop."""
        for loop in self._loops.values():
            self._start(loop)

    async def stop(self) -> StopReport:
        """Stop all loops: sign, drain, cancel. Takes at most drain + cancel time; may run twice."""
        self.stopping.set()
        failpoint("lifecycle.stop.started")
        drained = await self._wait(self._drain_timeout_s)
        for name in self._tasks.keys() - drained:
            self._tasks[name].cancel()
        ended = await self._wait(self._cancel_timeout_s)
        report = StopReport(
            drained=tuple(sorted(drained)),
            cancelled=tuple(sorted(ended - drained)),
            stuck=tuple(sorted(self._tasks.keys() - ended)),
        )
        logger.info(
            "loops_stopped", drained=report.drained, cancelled=report.cancelled, stuck=report.stuck
        )
        return report

    async def check(self) -> Check:
        """Say for the readiness page which loops run; one that failed is not ok."""
        ok = all(loop.state in ("running", "ended", "waiting") for loop in self._loops.values())
        return Check(
            ok=ok,
            detail={
                "loops": {
                    loop.name: {
                        "state": loop.state,
                        "restarts": loop.restarts,
                        "lastError": loop.last_error,
                    }
                    for loop in self._loops.values()
                }
            },
        )

    def _start(self, loop: _Loop) -> None:
        task = asyncio.create_task(self._supervise(loop), name=f"loop:{loop.name}")
        self._tasks[loop.name] = task

    async def _wait(self, timeout_s: float) -> set[str]:
        pending = [task for task in self._tasks.values() if not task.done()]
        if pending:
            await asyncio.wait(pending, timeout=timeout_s)
        return {name for name, task in self._tasks.items() if task.done()}

    async def _supervise(self, loop: _Loop) -> None:
        gauge = metric("loop_running").labels(loop=loop.name)
        failures_in_a_row = unexpected_in_a_row = 0
        while not self.stopping.is_set():
            started_at = self._clock.monotonic()
            loop.state = "running"
            gauge.set(1)
            try:
                await loop.run(self.stopping)
            except Exception as error:  # noqa: BLE001 - the outermost loop: log, metric and a road
                if self._clock.monotonic() - started_at >= SOUND_RUN_S:
                    failures_in_a_row = unexpected_in_a_row = 0
                road = _road(error)
                failures_in_a_row += 1
                unexpected_in_a_row += road == "unexpected"
                self._note(loop, error, road)
                if road == "fatal" or unexpected_in_a_row >= UNEXPECTED_LIMIT:
                    self._give_up(loop)
                    return
            else:
                loop.state = "ended"
                return
            finally:
                gauge.set(0)
            await self.stopping.wait(self._backoff_s(failures_in_a_row))

    def _backoff_s(self, failures: int) -> float:
        return min(BACKOFF_MAX_S, self._backoff_first_s * 2.0 ** min(failures - 1, 10))

    def _note(self, loop: _Loop, error: Exception, road: str) -> None:
        loop.state = "backing_off"
        loop.restarts += 1
        loop.last_error = type(error).__name__
        metric("loop_failures_total").labels(loop=loop.name, road=road).inc()
        logger.error("loop_failed", loop=loop.name, road=road, exc_info=error)

    def _give_up(self, loop: _Loop) -> None:
        loop.state = "failed"
        if self._on_fatal is not None:
            self._on_fatal(loop.name)


def go_on_without(loop: str, error: Exception, **ids: str) -> None:
    """Count and log one piece of a loop's work that failed, so that the loop does the others.

    `ids` say which piece, and are logged: never a name. Raises a Fatal again.
    """
    road = _road(error)
    if road == "fatal":
        raise error
    metric("loop_failures_total").labels(loop=loop, road=road).inc()
    logger.error("loop_work_failed", loop=loop, road=road, exc_info=error, **ids)


def _road(error: Exception) -> Literal["retriable", "unexpected", "fatal"]:
    if isinstance(error, ExceptionGroup):
        roads = {_road(inner) for inner in error.exceptions}
        return (
            "fatal" if "fatal" in roads else "unexpected" if "unexpected" in roads else "retriable"
        )
    if isinstance(error, Fatal):
        return "fatal"
    # The network and the clock are the outside: OSError covers refused and reset connections.
    return "retriable" if isinstance(error, Retriable | OSError | TimeoutError) else "unexpected"
