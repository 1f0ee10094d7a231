"""`homeroom status`: whether each service is ready, what waits, and what it counts."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import httpx2
import typer

from homeroom.commands.asking import AWAY, ask, operator
from homeroom.commands.decisions import Kind
from homeroom.commands.holds import HOLDS
from homeroom.commands.options import FolderOption, PortOption, display, layout_of
from homeroom.commands.plans import PLANS
from homeroom.commands.tables import JsonOption, print_json, print_table
from homeroom.display import Display
from homeroom.errors import CommandFailed, ServiceAway
from homeroom.failure import describe
from homeroom.installation import DISTRICT
from homeroom.operator_client import OperatorClient, Page
from homeroom.ownership import read_running
from homeroom.services import PROCESSES, SERVICES, Service

# As `roster_common/runtime/lifecycle.py` judges them.
LOOPS_IN_ORDER = ("running", "ended", "waiting")
COUNTS_NEED_MORE = "no counts without an operator token"
READY = {True: "yes", False: "no", None: AWAY}


def status(
    district: Annotated[
        str, typer.Option("--district", help="Whose counts, holds and plans.")
    ] = DISTRICT,
    as_json: JsonOption = False,
    folder: FolderOption = None,
    port_base: PortOption = None,
) -> None:
    """Show readiness, lag, what waits and counts of every service.

    Exit code 1 if one is not ready or refused to tell, 3 if one does not answer.
    """
    restarts = (read_running(layout_of(folder)) or {}).get("restarts", {})
    with operator(folder, port_base, token_needed=False) as client:
        found = [
            {**_standing(client, service, district), "restarts": restarts.get(service.name)}
            for service in PROCESSES
        ]
    if as_json:
        print_json({"district": district, "services": found})
    else:
        _print(display(), found)
    if any(one["ready"] is None for one in found):
        raise typer.Exit(ServiceAway.exit_code)
    if not all(one["ready"] and one["refusal"] is None for one in found):
        raise typer.Exit(CommandFailed.exit_code)


def _standing(client: OperatorClient, service: Service, district: str) -> Page:
    """Return what one process says of itself; `ready` None where it says nothing."""
    standing: Page = {
        "service": service.name,
        "ready": None,
        "notInOrder": {},
        "lag": None,
        "oldestWaitingSeconds": None,
        "openHolds": None,
        "openPlans": None,
        "counts": {},
        "refusal": None,
    }
    try:
        standing["ready"], page = client.ready(service)
        _read_checks(standing, page.get("checks", {}))
        if service in SERVICES and not client.token:
            standing["refusal"] = COUNTS_NEED_MORE
        elif service in SERVICES:
            standing["openHolds"] = _open(client, service, HOLDS, district)
            standing["openPlans"] = _open(client, service, PLANS, district)
            standing["counts"] = client.status(service, district)
    except httpx2.TransportError:
        standing["ready"] = None
    except CommandFailed as error:
        standing["ready"] = bool(standing["ready"])
        standing["refusal"] = describe(error)
    return standing


def _read_checks(standing: Page, checks: Mapping[str, Page]) -> None:
    standing["notInOrder"] = {
        name: _reason(check) for name, check in checks.items() if not check.get("ok")
    }
    lags = list(_parts(checks, "lag"))
    standing["lag"] = sum(lags) if lags else None
    ages = (*_parts(checks, "oldestWaitingSeconds"), *_parts(checks, "oldestSeconds"))
    standing["oldestWaitingSeconds"] = max(ages, default=None)


def _open(client: OperatorClient, service: Service, kind: Kind, district: str) -> int | None:
    if service != kind.service:
        return None
    answer = ask(client, service, kind.door, door=kind.door, district=district, limit=1)
    return None if answer.page is None else int(answer.page["total"])


def _reason(check: Page) -> str:
    """Say why a check is not in order: an error, a stop, loops, sources at fault, waiting work."""
    loops = ((name, loop["state"]) for name, loop in check.get("loops", {}).items())
    failed = ", ".join(f"{name} {state}" for name, state in loops if state not in LOOPS_IN_ORDER)
    state = str(check.get("state", ""))
    halted = state if state.startswith(("stopped", "waiting")) else ""
    behind = "behind" if "topics" in check or "oldestSeconds" in check else "not in order"
    return str(check.get("error") or halted or failed or _sources(check) or behind)


def _sources(check: Page) -> str:
    """Name the sources that are late, or whose drop or pull has a fault, with its code."""
    late = [f"{name} late" for name in check.get("late", ())]
    codes = (
        (name, one.get("fault") or one.get("reason"))
        for name, one in check.get("sources", {}).items()
    )
    return ", ".join([*late, *(f"{name} {code}" for name, code in codes if code)])


def _parts(checks: Mapping[str, Page], name: str) -> Iterator[Any]:
    """Yield a figure of every check, and of every topic of one."""
    for check in checks.values():
        for page in (check, *check.get("topics", {}).values()):
            if name in page:
                yield page[name]


def _print(screen: Display, found: list[Page]) -> None:
    columns = ("service", "ready", "lag", "oldest s", "holds", "plans", "restarts", "not in order")
    rows = [
        (
            *(one["service"], READY[one["ready"]], one["lag"], one["oldestWaitingSeconds"]),
            *(one["openHolds"], one["openPlans"], one["restarts"]),
            ", ".join(f"{name} ({reason})" for name, reason in one["notInOrder"].items()),
        )
        for one in found
    ]
    print_table(screen, columns, rows)
    for one in found:
        counts = ", ".join(_flat("", one["counts"]))
        if counts:
            screen.say(f"{one['service']}: {counts}")
    for one in found:
        if one["refusal"] is not None:
            screen.bad(f"{one['service']}: {one['refusal']}")


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
