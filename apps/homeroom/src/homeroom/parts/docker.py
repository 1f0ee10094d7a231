"""Whether a Docker engine answers: a client alone, without an engine, does not count.

Asks the engine itself over its socket, without the `docker` package.
"""

import http.client
import importlib.util
import socket
from pathlib import Path
from urllib.parse import urlsplit

PING_TIMEOUT_S = 2.0
DEFAULT_SOCKETS = (Path("/var/run/docker.sock"), Path.home() / ".docker" / "run" / "docker.sock")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PING_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Opens the socket file instead of a TCP port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PING_TIMEOUT_S)
        self.sock.connect(self._path)


def engine_answers(docker_host: str | None = None) -> bool:
    """Whether an engine says OK and `testcontainers` is there to use it; two seconds at most.

    Asks `docker_host` (`unix://…`, or `tcp://…` without TLS) or else the usual sockets.
    """
    if importlib.util.find_spec("testcontainers") is None:
        return False
    if docker_host:
        return _says_ok(_connection(docker_host))
    return any(_says_ok(_UnixConnection(str(path))) for path in DEFAULT_SOCKETS if path.exists())


def _connection(docker_host: str) -> http.client.HTTPConnection:
    address = urlsplit(docker_host)
    if address.scheme == "unix":
        return _UnixConnection(address.path)
    return http.client.HTTPConnection(
        address.hostname or "localhost", address.port or 2375, timeout=PING_TIMEOUT_S
    )


def _says_ok(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
