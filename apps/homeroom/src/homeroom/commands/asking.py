"""How operator commands ask the services: one of them, or all four with whatever they can say."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from homeroom.commands.options import operator_client
from homeroom.display import Display
from homeroom.errors import CommandFailed, ServiceAway, ServiceRefused
from homeroom.layout import Ports
from homeroom.operator_client import OperatorClient, Page
from homeroom.services import PROCESSES, SERVICES, Service

AWAY = "does not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service said; without a page, why not."""

    service: Service
    page: Page | None = None
    why_not: str = ""


@contextmanager
def operator(
    folder: Path | None, port_base: int | None, *, token_needed: bool = True
) -> Iterator[OperatorClient]:
    """Give the client of a command; a service that does not answer ends it as ServiceAway."""
    with closing(operator_client(folder, port_base, token_needed=token_needed)) as client:
        try:
            yield client
        except httpx2.TransportError as error:
            raise ServiceAway(_away(error, client.ports)) from error


def ask(
    client: OperatorClient, service: Service, path: str, *, door: str, **query: str | int
) -> Answer:
    """Read a page. `door` is its path in the service's own description.

    A service that is away or has no such door is an answer; raises ServiceRefused for a no.
    """
    try:
        return Answer(service=service, page=client.read(service, path, **query))
    except (httpx2.TransportError, ServiceAway):
        return Answer(service=service, why_not=AWAY)
    except ServiceRefused as error:
        if error.status == httpx2.codes.NOT_FOUND and not client.offers(service, door):
            return Answer(service=service, why_not=f"has no page {door} in this version")
        raise


def ask_all(client: OperatorClient, path: str, *, door: str, **query: str | int) -> list[Answer]:
    """Read the same page of every service, in the order of the flow."""
    return [ask(client, service, path, door=door, **query) for service in SERVICES]


def page_of(answer: Answer) -> Page:
    """Return the page; raises where there is none."""
    if answer.page is not None:
        return answer.page
    text = f"{answer.service.name} {answer.why_not}"
    raise ServiceAway(text) if answer.why_not == AWAY else CommandFailed(text)


def silences(answers: Sequence[Answer]) -> dict[str, str]:
    """Return why not, by the name of each service that said nothing."""
    return {one.service.name: one.why_not for one in answers if one.page is None}


def say_silences(screen: Display, answers: Sequence[Answer]) -> None:
    """Print a line for each service that said nothing."""
    for name, why_not in silences(answers).items():
        screen.bad(f"{name} {why_not}")


def exit_code(answers: Sequence[Answer], *, found: bool) -> int:
    """0 when all is said, 1 when there was nothing to say, 3 when a service was away."""
    if any(one.why_not == AWAY for one in answers):
        return ServiceAway.exit_code
    return 0 if found else CommandFailed.exit_code


def _away(error: httpx2.TransportError, ports: Ports) -> str:
    port = error.request.url.port
    name = next((s.name for s in PROCESSES if ports.of(s.offset) == port), "what was asked")
    return f"{name} {AWAY} on port {port}; see `homeroom status`"
