"""Starts, watches, restarts and stops everything one installation needs on one box.

Knows parts and processes; knows nothing of rosters. A thread of its own starts again what has
ended, so that nothing else has to look; `parts/processes.py` keeps the children's lives from
hanging on it.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from signal import Signals
from threading import Event, Lock, Thread

import httpx2

from homeroom.installation import Installation
from homeroom.layout import Layout, Ports, local_url
from homeroom.ownership import note_children
from homeroom.parts.processes import Child, ChildFailed, start_child
from homeroom.services import PROCESSES, Service
from homeroom.settings import inherited_environment
from homeroom.waiting import wait_for

# The first start after an installation compiles every module, five processes at once.
READY_TIMEOUT_S = 120.0
READY_ANSWER_S = 5.0
STOP_TIMEOUT_S = 40.0
WATCH_S = 0.1
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
# Ends by itself, one soon after the other, after which nobody should wait for it.
HOPELESS = 3


@dataclass(slots=True, kw_only=True)
class _Life:
    """One process through its restarts. `failures` are ends of its own, not kills, in a row."""

    child: Child
    since: float
    pause_s: float = FIRST_PAUSE_S
    again_at: float | None = None
    restarts: int = 0
    failures: int = 0
    ended: str = ""


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Our own processes of one installation. `say` gets a line when one was started again."""

    layout: Layout
    ports: Ports
    processes: Sequence[Service] = PROCESSES
    say: Callable[[str], None] = lambda _line: None
    _lives: dict[str, _Life] = field(default_factory=dict)
    _environment: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=READY_ANSWER_S))
    _lock: Lock = field(default_factory=Lock)
    _stopping: Event = field(default_factory=Event)
    _watcher: Thread | None = None

    def start(self, installation: Installation) -> None:
        """Start every process at once and watch them; returns before they are ready."""
        inherited = inherited_environment()
        shared = installation.variables()
        for service in self.processes:
            own = installation.variables_of(service)
            self._environment[service.name] = {**inherited, **shared, **own}
            self._lives[service.name] = _Life(child=self._child(service), since=time.monotonic())
        self._note()
        self._watcher = Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def wait_ready(self, service: Service) -> None:
        """Return when `/readyz` of the service answers 200, restarts included.

        Raises ChildFailed with the end of a log when a process cannot start, or TookTooLong.
        """
        url = local_url(self.ports.of(service.offset)) + "/readyz"
        wait_for(
            f"{service.name} being ready",
            lambda: self._answers(url) or None,
            within_s=READY_TIMEOUT_S,
            check=self.ensure_hope,
        )

    def ensure_hope(self) -> None:
        """Raise ChildFailed for a process that ends by itself again and again."""
        with self._lock:
            lives = list(self._lives.values())
        for life in lives:
            if life.failures >= HOPELESS:
                raise ChildFailed(life.child.name, life.ended, tail=life.child.log_tail())

    def restarts(self) -> Mapping[str, int]:
        """Return how often each process was started again."""
        with self._lock:
            return {name: life.restarts for name, life in self._lives.items()}

    def tail(self, name: str) -> str:
        """Return the last lines that a process of ours logged; empty for any other name."""
        life = self._lives.get(name)
        return life.child.log_tail() if life else ""

    def stop(self) -> None:
        """Stop all at once, each within its bound; may run twice."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        children = [life.child for life in self._lives.values()]
        if not children:
            return
        with ThreadPoolExecutor(max_workers=len(children)) as pool:
            list(pool.map(lambda child: child.stop(within_s=STOP_TIMEOUT_S), children))
        self._lives.clear()
        self._http.close()

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_S):
            for service in self.processes:
                # A box that is short of processes or of disk for a moment: the next look tries.
                with contextlib.suppress(OSError):
                    self._watch_one(service)

    def _watch_one(self, service: Service) -> None:
        if self._look_after(service):
            life = self._lives[service.name]
            self._note()
            self.say(f"{service.name} {life.ended}: started again ({life.restarts})")

    def _look_after(self, service: Service) -> bool:
        """Start it again if it has ended and its pause is over; tell whether it was."""
        now = time.monotonic()
        with self._lock:
            life = self._lives[service.name]
            if life.child.alive():
                if now - life.since > STEADY_AFTER_S:
                    life.pause_s, life.failures = FIRST_PAUSE_S, 0
                return False
            if life.again_at is None:
                self._notice_end(life, now)
                return False
            if now < life.again_at:
                return False
            life.child.kill()
            life.child, life.since, life.again_at = self._child(service), now, None
            life.restarts += 1
        return True

    def _notice_end(self, life: _Life, now: float) -> None:
        code = life.child.process.returncode
        if code >= 0:
            life.failures += 1
        life.ended = _words(code)
        life.again_at = now + life.pause_s
        life.pause_s = min(LONGEST_PAUSE_S, life.pause_s * 2)

    def _child(self, service: Service) -> Child:
        (self.layout.data / service.name).mkdir(parents=True, exist_ok=True)
        return start_child(
            service.name,
            [sys.executable, "-m", service.module],
            log=self.layout.log_of(service.name),
            env=self._environment[service.name],
        )

    def _note(self) -> None:
        with self._lock:
            pids = {name: life.child.pid for name, life in self._lives.items()}
        note_children(self.layout, self.ports, pids, self.restarts())

    def _answers(self, url: str) -> bool:
        try:
            return self._http.get(url).status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False


def _words(code: int) -> str:
    """Say how a process ended; below zero is a signal."""
    return f"was ended by {Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
