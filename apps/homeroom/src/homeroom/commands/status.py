"""`homeroom status`: whether each service is ready, and what it counts."""

from contextlib import closing
from typing import Annotated

import httpx2
import typer

from homeroom.commands.options import FolderOption, PortOption, display, operator_client
from homeroom.errors import CommandFailed
from homeroom.installation import DISTRICT
from homeroom.operator_client import OperatorClient, Page
from homeroom.services import PROCESSES, SERVICES, Service


def status(
    district: Annotated[str, typer.Option("--district", help="Whose counts.")] = DISTRICT,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show readiness, lag and counts of every service; exit 1 if one is not ready."""
    screen = display()
    with closing(operator_client(folder, port_base)) as client:
        rows = [_row(client, service, district) for service in PROCESSES]
    screen.table("Homeroom", ("service", "ready", "not in order", "counts"), rows)
    if any(row[1] != "yes" for row in rows):
        raise typer.Exit(1)


def _row(client: OperatorClient, service: Service, district: str) -> tuple[str, str, str, str]:
    try:
        ready, page = client.ready(service)
    except httpx2.HTTPError:
        return service.name, "no answer", "", ""
    counts = _counts(client, service, district) if service in SERVICES else ""
    return service.name, "yes" if ready else "no", _not_in_order(page), counts


def _not_in_order(page: Page) -> str:
    checks = page.get("checks", {})
    return ", ".join(name for name, check in checks.items() if not check.get("ok"))


def _counts(client: OperatorClient, service: Service, district: str) -> str:
    try:
        page = client.status(service, district)
    except (httpx2.HTTPError, CommandFailed) as error:
        return str(error) if isinstance(error, CommandFailed) else "no answer"
    return ", ".join(_flat("", page))


def _flat(prefix: str, value: object) -> list[str]:
    """Write nested counts as `name.part value`, without zeros; lists by their items."""
    if isinstance(value, list):
        return [text for part in value for text in _flat(prefix, part)]
    if not isinstance(value, dict):
        return [f"{prefix} {value}"] if value and isinstance(value, int | float) else []
    return [
        text
        for key, part in value.items()
        for text in _flat(f"{prefix}.{key}" if prefix else str(key), part)
    ]
