"""Starts, watches, restarts and stops everything one installation needs on one box.

Knows parts and processes; knows nothing of rosters. Call it from the main thread: on Linux
children end with the thread that started them.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx2

from homeroom.installation import Installation
from homeroom.layout import Layout, Ports, local_url
from homeroom.ownership import note_children
from homeroom.parts.processes import Child, ChildFailed, start_child
from homeroom.services import PROCESSES, Service
from homeroom.settings import inherited_environment

# The first start after an installation compiles every module, five processes at once.
READY_TIMEOUT_S = 120.0
READY_ANSWER_S = 5.0
STOP_TIMEOUT_S = 40.0
WATCH_S = 0.5
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0


@dataclass(slots=True, kw_only=True)
class _Life:
    """One process through its restarts."""

    child: Child
    since: float
    pause_s: float = FIRST_PAUSE_S
    again_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Our own processes of one installation."""

    layout: Layout
    ports: Ports
    processes: Sequence[Service] = PROCESSES
    _lives: dict[str, _Life] = field(default_factory=dict)
    _environment: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=READY_ANSWER_S))

    def start(self, installation: Installation) -> None:
        """Start every process at once; returns before they are ready."""
        inherited = inherited_environment()
        shared = installation.variables()
        for service in self.processes:
            own = installation.variables_of(service)
            self._environment[service.name] = {**inherited, **shared, **own}
            self._launch(service)
        self._note()

    def wait_ready(self, service: Service) -> None:
        """Return when `/readyz` of the service answers 200.

        Raises ChildFailed with the end of its log if it ends first or takes too long.
        """
        url = local_url(self.ports.of(service.offset)) + "/readyz"
        child = self._lives[service.name].child
        child.wait_until(lambda: self._answers(url), within_s=READY_TIMEOUT_S)

    def ensure_alive(self) -> None:
        """Raise ChildFailed for the first process that has ended."""
        for life in self._lives.values():
            if not life.child.alive():
                code = life.child.process.returncode
                what = f"ended with exit code {code}"
                raise ChildFailed(life.child.name, what, tail=life.child.log_tail())

    def tail(self, name: str) -> str:
        """Return the last lines that a process of ours logged; empty for any other name."""
        life = self._lives.get(name)
        return life.child.log_tail() if life else ""

    def watch(self) -> list[str]:
        """Start what has ended again, each after its own growing pause; return what was started.

        Call it again and again. A process that ran for a minute begins with the short pause.
        """
        restarted: list[str] = []
        now = time.monotonic()
        for service in self.processes:
            life = self._lives[service.name]
            if life.child.alive():
                if now - life.since > STEADY_AFTER_S:
                    life.pause_s = FIRST_PAUSE_S
            elif life.again_at is None:
                life.again_at = now + life.pause_s
                life.pause_s = min(LONGEST_PAUSE_S, life.pause_s * 2)
            elif now >= life.again_at:
                life.child.kill()
                self._launch(service, pause_s=life.pause_s)
                restarted.append(service.name)
        if restarted:
            self._note()
        return restarted

    def stop(self) -> None:
        """Stop all at once, each within its bound; may run twice."""
        children = [life.child for life in self._lives.values()]
        if not children:
            return
        with ThreadPoolExecutor(max_workers=len(children)) as pool:
            list(pool.map(lambda child: child.stop(within_s=STOP_TIMEOUT_S), children))
        self._lives.clear()
        self._http.close()

    def _launch(self, service: Service, *, pause_s: float = FIRST_PAUSE_S) -> None:
        (self.layout.data / service.name).mkdir(parents=True, exist_ok=True)
        child = start_child(
            service.name,
            [sys.executable, "-m", service.module],
            log=self.layout.log_of(service.name),
            env=self._environment[service.name],
        )
        self._lives[service.name] = _Life(child=child, since=time.monotonic(), pause_s=pause_s)

    def _note(self) -> None:
        pids = {name: life.child.pid for name, life in self._lives.items()}
        note_children(self.layout, self.ports, pids)

    def _answers(self, url: str) -> bool:
        try:
            return self._http.get(url).status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False
