"""Waiting for something outside: look, pause a little, look again, and give up by name.

The only place of this package that sleeps.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from homeroom.errors import TookTooLong

T = TypeVar("T")

POLL_S = 0.02


def wait_for(
    what: str,
    probe: Callable[[], T | None],
    *,
    within_s: float,
    every_s: float = POLL_S,
    check: Callable[[], None] = lambda: None,
    last_seen: Callable[[], str] = lambda: "",
) -> T:
    """Return the first answer of `probe` that is not None.

    `check` runs before each look and may raise (a process has died). Raises TookTooLong with
    `last_seen()`, which must hold no student data.
    """
    deadline = time.monotonic() + within_s
    while True:
        check()
        found = probe()
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            raise TookTooLong(what, within_s=within_s, last_seen=last_seen())
        time.sleep(every_s)
