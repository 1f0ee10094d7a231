"""One supervisor per folder, free ports, and a clean start. Knows files and ports, no service."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from homeroom.errors import CommandFailed, PortTaken
from homeroom.layout import Layout, Ports
from homeroom.parts.owner import POINTER
from homeroom.parts.processes import port_answers
from homeroom.services import PROCESSES

# What stands in the running note: pid, started, portBase, children, restarts.
Note = dict[str, Any]

CLUSTER_PREFIX = "homeroom-postgres-"


def claim(layout: Layout, ports: Ports) -> None:
    """Write down that this process runs the installation of `layout.folder`.

    Raises CommandFailed if another live process does, and PortTaken naming what is in the way.
    """
    running = read_running(layout)
    if running is not None and _is_ours(running):
        raise CommandFailed(
            f"homeroom already runs in {layout.folder} (process {running['pid']}); "
            "stop it or choose another folder with --folder"
        )
    _refuse_taken_ports(ports)
    layout.folder.mkdir(parents=True, exist_ok=True)
    note_children(layout, ports, {}, {})


def note_children(
    layout: Layout, ports: Ports, pids: Mapping[str, int], restarts: Mapping[str, int]
) -> None:
    """Keep the running note up to date, so that a person or a test can find a process by name."""
    me = psutil.Process()
    note = {
        "pid": me.pid,
        "started": me.create_time(),
        "portBase": ports.base,
        "children": pids,
        "restarts": restarts,
    }
    fresh = layout.lock.with_suffix(".new")
    fresh.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    fresh.replace(layout.lock)


def release(layout: Layout) -> None:
    """Take the note away; may run twice."""
    layout.lock.unlink(missing_ok=True)


def read_running(layout: Layout) -> Note | None:
    """Return the note of the installation that runs, or ran and was killed, in this folder."""
    try:
        note = json.loads(layout.lock.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    # Whatever else stands there, nobody is found by it.
    whole = isinstance(note, dict) and all(
        isinstance(note.get(n), int) for n in ("pid", "portBase")
    )
    return note if whole else None


def clear(layout: Layout) -> None:
    """Throw away the data and logs of an earlier run. Nothing may run in the folder."""
    forget_cluster(layout)
    for folder in (layout.data, layout.logs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    layout.evidence.unlink(missing_ok=True)


def forget_cluster(layout: Layout) -> None:
    """Remove a cluster that had to live outside the folder: every start makes a new one."""
    pointer = layout.data / "postgres" / POINTER
    if not pointer.exists():
        return
    home = Path(pointer.read_text(encoding="utf-8").strip())
    # Only what the parts made: a pointer that somebody edited removes nothing.
    if home.parent == Path(tempfile.gettempdir()) and home.name.startswith(CLUSTER_PREFIX):
        shutil.rmtree(home, ignore_errors=True)


def _is_ours(note: Note) -> bool:
    try:
        return bool(psutil.Process(note["pid"]).create_time() == note["started"])
    except (psutil.NoSuchProcess, KeyError):
        return False


def _refuse_taken_ports(ports: Ports) -> None:
    wanted = {process.name: ports.of(process.offset) for process in PROCESSES}
    wanted["the SCIM directory"] = ports.scim
    for name, port in wanted.items():
        if port_answers(port):
            raise PortTaken(name=name, port=port, holder=holder(port))


def holder(port: int) -> str:
    """Name the process on `port` as far as this user may see it."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            here = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
            if here and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "another process"
