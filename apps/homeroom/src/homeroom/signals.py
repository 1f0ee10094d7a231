"""Ctrl-C and SIGTERM as one exception in the main thread, and peace while we clean up."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """Somebody asked this process to end; not an error, so no `except Exception` swallows it."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, a signal raises Stopped; afterwards the handlers of before are back."""
    before = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """From here on signals change nothing: clean-up is bounded and must not be cut short."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
