"""Whether everything that was sent has been worked through, as the services' own pages say."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Final

from homeroom.demo.outside import Outside
from homeroom.installation import DISTRICT
from homeroom.operator_client import Page
from homeroom.services import (
    DIRECTORY_SYNC,
    ROSTER_PUBLISHER,
    SIS_INGEST,
    TICKET_EVENTS,
    Service,
)
from homeroom.waiting import wait_for

SETTLE_WITHIN_S: Final = 120.0
# A service gives a readiness page again that is younger than half a second.
PAGE_LIVES_S: Final = 0.6
EVERY_S: Final = 0.05


def settle(outside: Outside) -> None:
    """Return when no service has anything left that was on its way before this call.

    Down the flow, each looked at after the one before it had nothing left; the publisher twice,
    because names come back to it.
    """
    _emptied(outside, SIS_INGEST)
    _emptied(outside, ROSTER_PUBLISHER, also=_nobody_marked)
    _emptied(outside, DIRECTORY_SYNC, also=_nothing_waits)
    _emptied(outside, TICKET_EVENTS)
    _emptied(outside, ROSTER_PUBLISHER)


def caught_up(answer: tuple[bool, Page]) -> bool:
    """Say whether nothing is left for the service, from its readiness page."""
    ready, page = answer
    return ready and not any(_waiting(page))


def _waiting(page: Page) -> Iterator[int]:
    """Yield how many of each thing wait: events of a topic, deliveries, what is to be relayed."""
    for name, check in page.get("checks", {}).items():
        if name.startswith("group:"):
            yield from (int(topic["lag"]) for topic in check.get("topics", {}).values())
        elif name in {"inbox", "relay"}:
            yield int(check.get("waiting", check.get("lag", 0)))


def _emptied(
    outside: Outside, service: Service, *, also: Callable[[Page], bool] | None = None
) -> None:
    """Wait for a readiness page from after this call without a backlog, then for its counts."""
    began = perf_counter()
    _wait(outside, service, lambda: _read_all(outside, service, since=began))
    if also is not None:
        _wait(outside, service, lambda: also(outside.operator.status(service, DISTRICT)))


def _wait(outside: Outside, service: Service, done: Callable[[], bool]) -> None:
    wait_for(
        f"{service.name} having worked through everything",
        lambda: done() or None,
        within_s=SETTLE_WITHIN_S,
        every_s=EVERY_S,
        check=outside.check,
    )


def _read_all(outside: Outside, service: Service, *, since: float) -> bool:
    born, now = outside.pages_born, perf_counter()
    if now - born.get(service.name, float("-inf")) > PAGE_LIVES_S:
        born[service.name] = now
    return caught_up(outside.operator.ready(service)) and born[service.name] >= since


def _nobody_marked(page: Page) -> bool:
    return not (page["dirtyPeople"] or page["dirtyClasses"])


def _nothing_waits(page: Page) -> bool:
    return not any(target["waiting"] or target["groups"]["waiting"] for target in page["targets"])
