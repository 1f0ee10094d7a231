"""What a run leaves: a table for people and a file for comparing, without paths or host names."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich import box
from rich.console import Console
from rich.table import Table

from homeroom.parts.kafka import RunningKafka
from roster_common.runtime.clock import SystemClock
from tests.bench.events import bytes_of, districts, encoded, made_up
from tests.bench.results import Mark, Result
from tests.bench.servers import Servers

PACKAGES = ("aiokafka", "asyncpg", "httptools", "pydantic", "sqlalchemy", "uvicorn", "uvloop")
SCHEMA = 1
EXACT_BELOW = 100


def machine(servers: Servers, durability: Mapping[str, str]) -> dict[str, Any]:
    """Facts that a figure needs beside it, read from the machine and from the parts."""
    kafka = servers.kafka
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memoryGib": round(psutil.virtual_memory().total / 2**30, 1),
        "loadBefore": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "postgresql": {
            "version": servers.postgres.version,
            "how": servers.postgres.how,
            **durability,
        },
        "kafka": {"version": kafka.version, "how": kafka.how}
        if isinstance(kafka, RunningKafka)
        else None,
        "bytesPerEvent": bytes_of(encoded(made_up(1, of=districts()))[0]),
    }


def write_json(
    path: Path,
    *,
    facts: Mapping[str, Any],
    results: Sequence[Result],
    not_measured: Mapping[str, str],
    quick: bool,
    seconds: float,
) -> None:
    """Write the run to `path`, replacing what stood there."""
    document = {
        "schema": SCHEMA,
        "endedAt": SystemClock().now().isoformat(timespec="seconds"),
        "quick": quick,
        "seconds": round(seconds, 1),
        "machine": facts,
        "rows": [_row(result) for result in results],
        "notMeasured": dict(not_measured),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def _row(result: Result) -> dict[str, Any]:
    return {
        "row": result.row.key,
        "title": result.row.title,
        "unit": result.row.unit,
        "figure": round(result.figure, 3),
        "rounds": [round(figure, 3) for figure in result.rounds],
        "besideTitle": result.row.beside_title or None,
        "beside": None if result.beside is None else round(result.beside, 3),
        "besideRounds": [round(figure, 3) for figure in result.beside_rounds],
        "ratio": None if result.ratio is None else round(result.ratio, 3),
        "mark": None if result.mark is None else {result.mark.kind: result.mark.wanted},
        "distance": None if result.distance is None else round(result.distance, 3),
    }


def show(console: Console, results: Sequence[Result], *, facts: Mapping[str, Any]) -> None:
    """Print the table."""
    console.print(_headline(facts), style="dim")
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("row", "figure", "beside (raw, same run)", "ratio", "mark", "distance"):
        table.add_column(name, justify="left" if name == "row" else "right")
    for result in results:
        table.add_row(
            result.row.title,
            f"{_number(result.figure)} {result.row.unit}",
            "" if result.beside is None else f"{result.row.beside_title}  {_number(result.beside)}",
            "" if result.ratio is None else f"{result.ratio:.2f}",
            "" if result.mark is None else _wanted(result.mark),
            _distance(result),
        )
    console.print(table)


def _headline(facts: Mapping[str, Any]) -> str:
    postgresql, kafka = facts["postgresql"], facts["kafka"]
    return (
        f"{facts['cores']} cores, load {facts['loadBefore']} before, Python {facts['python']}, "
        f"PostgreSQL {postgresql['version']} (fsync {postgresql['fsync']}), "
        + (f"Kafka {kafka['version']}, " if kafka else "")
        + f"{facts['bytesPerEvent']} bytes an event"
    )


def _wanted(mark: Mark) -> str:
    match mark.kind:
        case "at_least":
            return f"≥ {_number(mark.wanted)}"
        case "at_most":
            return f"≤ {_number(mark.wanted)}"
        case "ratio_at_least":
            return f"ratio ≥ {mark.wanted:.2f}"


def _distance(result: Result) -> str:
    if result.distance is None:
        return ""
    if result.distance < 0:
        return f"[red]missed by {-result.distance:.0%}[/red]"
    return f"[green]+{result.distance:.0%}[/green]"


def _number(value: float) -> str:
    return f"{value:,.1f}" if value < EXACT_BELOW else f"{value:,.0f}"
