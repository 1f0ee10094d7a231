"""A SCIM 2.0 directory for the demo and tests: the third-party `scim2-server`, in memory.

Made by others, so our client meets a server that we did not write. Never for production.
"""

import http.client
import importlib.metadata
import importlib.util
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from homeroom.parts import scim_command
from homeroom.parts.missing import Missing
from homeroom.parts.processes import Child, ChildFailed, free_port, start_child

PART = "scim2-server"
START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningScim:
    """The directory at `url` (`http://…/v2`); every request needs `token` as its bearer."""

    url: str
    token: str
    version: str
    child: Child

    def __str__(self) -> str:
        return f"{PART} {self.version} from its wheel"

    def stop(self) -> None:
        """Stops it; what it held is gone, as it keeps all in memory. May run twice."""
        self.child.stop()


def start_scim(
    folder: Path, *, port: int | None = None, token: str | None = None
) -> RunningScim | Missing:
    """Starts it on loopback (a free port unless given) and returns when it takes the token.

    The token, made up unless given, reaches the server by standard input, not its command line.
    """
    if importlib.util.find_spec("scim2_server") is None:
        reason = "it is not installed; it comes with the extra `homeroom[demo]`"
        return Missing(part=PART, reason=reason)
    port = port or free_port()
    token = token or secrets.token_urlsafe(24)
    child = start_child(
        PART,
        [sys.executable, scim_command.__file__, f"--port={port}"],
        log=folder / "scim.log",
        stdin=f"{token}\n".encode(),
    )
    try:
        child.wait_until(lambda: _takes(token, port=port), within_s=START_TIMEOUT_S)
    except ChildFailed as failure:
        child.kill()
        return Missing(part=PART, reason=f"{failure}; see {child.log}")
    return RunningScim(
        url=f"http://127.0.0.1:{port}/v2",
        token=token,
        version=importlib.metadata.version(PART),
        child=child,
    )


def _takes(token: str, *, port: int) -> bool:
    # Asked with the token: another program on this port would not know it.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
    try:
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("GET", "/v2/Users?count=0", headers=headers)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
