"""The five processes of an installation as tiny HTTP servers with fixed answers, for commands."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from homeroom.services import PROCESSES, Service
from tests.support.demo import free_port_base
from tests.support.homeroom_command import Ran

Answer = tuple[int, Any]
NOT_FOUND: Answer = (404, {"title": "Not Found", "status": 404, "code": "not_found"})


def problem(status: int, code: str, title: str = "No") -> Answer:
    """A problem document as the services give it."""
    return status, {"title": title, "status": status, "code": code}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came in; `path` is as it was sent, with its query."""

    service: str
    method: str
    path: str
    body: bytes
    token: str


@dataclass(slots=True, kw_only=True)
class TinyHomeroom:
    """What each service answers, by method and path without query; everything else is 404.

    `doors` are the paths of a service's own description, with their parameters' names. `first`
    holds answers to a request that come before the lasting one.
    """

    base: int
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    doors: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    first: dict[str, Iterator[Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def says(self, service: Service, request: str, body: Any, status: int = 200) -> None:
        """Answer `GET /path` (or another method) with `body` from now on."""
        self.answers[service.name, request] = (status, body)

    def sent(self, method: str) -> list[Asked]:
        """Requests of this method."""
        return [one for one in self.asked if one.method == method]

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        path = asked.path.partition("?")[0]
        if path == "/openapi.json":
            return 200, {"paths": self._description(asked.service)}
        before = next(self.first.get(f"{asked.method} {path}", iter(())), None)
        if before is not None:
            return before
        return self.answers.get((asked.service, f"{asked.method} {path}"), NOT_FOUND)

    def _description(self, service: str) -> dict[str, Any]:
        named = {"parameters": []}
        return {
            path: {"get": named, "post": {"parameters": [{"name": name} for name in names]}}
            for path, names in self.doors.get(service, {}).items()
        }


# Runs a command, given as words, against the servers.
Run = Callable[..., Ran]


@contextmanager
def tiny_homeroom(*, without: Service | None = None) -> Iterator[TinyHomeroom]:
    """The servers, except one, on ports that follow one another."""
    tiny = TinyHomeroom(base=free_port_base())
    with ExitStack() as stack:
        for service in PROCESSES:
            if service is not without:
                stack.enter_context(_serving(tiny, service))
        yield tiny


@contextmanager
def _serving(tiny: TinyHomeroom, service: Service) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            asked = Asked(
                service=service.name,
                method=self.command,
                path=self.path,
                body=self.rfile.read(int(self.headers.get("content-length", "0"))),
                token=self.headers.get("authorization", ""),
            )
            tiny.asked.append(asked)
            status, page = tiny.answer(asked)
            content = page if isinstance(page, bytes) else json.dumps(page).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    address = ("127.0.0.1", tiny.base + service.offset)
    with ThreadingHTTPServer(address, Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
