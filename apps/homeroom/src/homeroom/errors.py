"""Ways in which a command can fail that a person at the terminal should read. Imports no room."""

from typing import ClassVar

from roster_common.errors import HomeroomError


class CommandFailed(HomeroomError):
    """A command cannot go on; the text is one sentence for a person, without secrets.

    `exit_code` is what the shell gets: 1 refused or failed, 3 a service is away; 2 is the parser's.
    """

    exit_code: ClassVar[int] = 1


class TookTooLong(CommandFailed):
    """Something that was waited for did not come in its time."""

    def __init__(self, what: str, *, within_s: float, last_seen: str = "") -> None:
        seen = f"; last seen: {last_seen}" if last_seen else ""
        super().__init__(f"{what} did not happen within {within_s:g} s{seen}")


class PortTaken(CommandFailed):
    """A fixed port is in use by something else."""

    def __init__(self, *, name: str, port: int, holder: str) -> None:
        super().__init__(
            f"port {port} is needed for {name} but {holder} listens there; "
            "stop it or choose other ports with --port-base"
        )


class ServiceAway(CommandFailed):
    """A service gave no answer, or said that it can give none now."""

    exit_code = 3


class ServiceRefused(CommandFailed):
    """A service answered no; `code` is the stable code of its problem document, or empty."""

    def __init__(self, text: str, *, status: int, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
