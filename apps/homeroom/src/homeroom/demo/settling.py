"""Whether everything that was sent has been worked through, as the services' own pages say."""

from time import perf_counter

from homeroom.demo.outside import Outside
from homeroom.installation import DISTRICT
from homeroom.operator_client import Page
from homeroom.services import DIRECTORY_SYNC, PROCESSES, Service
from homeroom.waiting import wait_for

SETTLE_WITHIN_S = 120.0
# Readiness pages may be this old; one that is younger speaks of all that was sent before.
PAGE_AGE_S = 0.6
EVERY_S = 0.05


def settle(outside: Outside) -> None:
    """Return when no service has anything left that was on its way before this call."""
    began = perf_counter()
    for service in PROCESSES:
        wait_for(
            f"{service.name} having worked through everything",
            lambda service=service: _idle(outside, service, began),  # type: ignore[misc]
            within_s=SETTLE_WITHIN_S,
            every_s=EVERY_S,
            check=outside.check,
        )
    wait_for(
        "the directory's queue being empty",
        lambda: _nothing_waits(outside.operator.status(DIRECTORY_SYNC, DISTRICT)) or None,
        within_s=SETTLE_WITHIN_S,
        every_s=EVERY_S,
        check=outside.check,
    )


def caught_up(answer: tuple[bool, Page]) -> bool:
    """Say whether nothing is left for the service, from its readiness page."""
    ready, page = answer
    return ready and not any(lag for lag, _age in backlog(page))


def backlog(page: Page) -> list[tuple[int, float]]:
    """Return (how many, seconds of the oldest) for each thing that waits, from a readiness page."""
    found: list[tuple[int, float]] = []
    for name, check in page.get("checks", {}).items():
        if name.startswith("group:"):
            found += [
                (int(topic["lag"]), float(topic["oldestWaitingSeconds"]))
                for topic in check.get("topics", {}).values()
            ]
        elif name == "inbox" and "waiting" in check:
            found.append((int(check["waiting"]), float(check["oldestSeconds"])))
        elif name == "relay" and "lag" in check:
            found.append((int(check["lag"]), 0.0))
    return found


def _idle(outside: Outside, service: Service, began: float) -> bool | None:
    idle = caught_up(outside.operator.ready(service))
    return True if idle and perf_counter() - began > PAGE_AGE_S else None


def _nothing_waits(page: Page) -> bool:
    return not any(target["waiting"] for target in page["targets"])
