"""The correlation id: one word that follows a delivery from the door to every effect.

Holds the context variable only; doors set it (tracing.CorrelationMiddleware, the log's consumer).
"""

import re
from contextvars import ContextVar

from roster_common.errors import Fatal
from roster_common.runtime.clock import Uuid7Ids

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)

_SAFE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_IDS = Uuid7Ids()


def accept_or_mint(offered: str | None) -> str:
    """Take an id offered from outside if it is a safe word of at most 128 signs, else mint one.

    Anything else would let a caller write into our logs and headers.
    """
    if offered is not None and _SAFE.fullmatch(offered):
        return offered
    return _IDS.new_id()


def current_correlation_id() -> str:
    """Give the id of the work in hand. Raises Fatal outside of any door: a bug in the wiring."""
    found = correlation_id.get()
    if found is None:
        message = "no correlation id is set here"
        raise Fatal(message)
    return found
