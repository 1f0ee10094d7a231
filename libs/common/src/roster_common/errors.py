"""The four roads of failure; a fifth needs an ADR. Imports nothing of ours.

An error is named by what the caller must do. `Refused` (a rule said no) is a value in each
domain, not an exception; the other three are raised.
"""


class HomeroomError(Exception):
    """Root of every error we raise on purpose."""


class Retriable(HomeroomError):
    """The outside was not ready: back off and try again; later work for the same key waits."""


class Invalid(HomeroomError):
    """The input can never succeed: set it aside with its reason.

    `reason` is a stable code, `field` a path into the input; neither ever carries a value of the
    input, because students are minors and errors are logged.
    """

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason if field is None else f"{reason}: {field}")
        self.reason = reason
        self.field = field


class NotVerified(Invalid):
    """A delivery whose sender could not be proved. The field names the header."""


class Fatal(HomeroomError):
    """Going on would do harm: stop the process and let it be restarted and seen."""
