"""A proxy before a real SCIM directory that bends what is asked and what is answered."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TypeAlias

import httpx2

Reply: TypeAlias = tuple[int, bytes]

_PASSED_ON = ("authorization", "content-type", "accept")


class Bend:
    """How the directory bends; as it stands, it does not. Subclasses change one thing.

    Called from threads of the proxy. `asked` keeps (method, path) of every request.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self._lock = Lock()

    def note(self, method: str, path: str) -> None:
        """Keep what was asked."""
        with self._lock:
            self.asked.append((method, path))

    def changes(self) -> int:
        """How many requests would have changed something."""
        return sum(method != "GET" for method, _ in self.asked)

    def take(self, method: str, path: str, body: bytes) -> bytes | Reply:
        """The body to pass on, or an answer in the directory's place."""
        del method, path
        return body

    def give(self, method: str, path: str, reply: Reply) -> Reply:
        """The directory's answer as it is given on."""
        del method, path
        return reply


@contextmanager
def bent_directory(real: str, bend: Bend) -> Iterator[str]:
    """The address of a directory that stands before the one at `real` (`…/v2`)."""

    class Handler(BaseHTTPRequestHandler):
        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            bend.note(self.command, self.path)
            taken = bend.take(self.command, self.path, body)
            reply = taken if isinstance(taken, tuple) else self._ask(taken)
            status, content = bend.give(self.command, self.path, reply)
            self.send_response(status)
            self.send_header("content-type", "application/scim+json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _ask(self, body: bytes) -> Reply:
            answer = httpx2.request(
                self.command,
                real.removesuffix("/v2") + self.path,
                content=body or None,
                timeout=60,
                headers={n: self.headers[n] for n in _PASSED_ON if n in self.headers},
            )
            return answer.status_code, answer.content

        do_GET = do_POST = do_PATCH = _forward  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Nothing: the test reads the directory."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v2"
    finally:
        server.shutdown()
        server.server_close()
