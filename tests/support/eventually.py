"""Waits for a condition instead of sleeping for a guess; the only place in tests that sleeps."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.02


async def eventually(
    check: Callable[[], Awaitable[T | None] | T | None], *, within_s: float = 20.0, what: str = ""
) -> T:
    """The first truthy value of `check()`, plain or awaitable, asked again every 20 ms.

    Raises `AssertionError` naming `what` when `within_s` has passed; an `AssertionError` of
    `check` counts as "not yet", and the last one is raised instead.
    """
    deadline = time.monotonic() + within_s
    while True:
        complaint: AssertionError | None = None
        try:
            value = check()
            found = await value if inspect.isawaitable(value) else value
        except AssertionError as error:
            found, complaint = None, error
        if found:
            return found
        if time.monotonic() > deadline:
            raise complaint or AssertionError(f"not within {within_s:g} s: {what or check}")
        await asyncio.sleep(POLL_S)


def eventually_sync(check: Callable[[], T | None], *, within_s: float = 20.0, what: str = "") -> T:
    """As `eventually`, for tests without an event loop."""
    deadline = time.monotonic() + within_s
    while True:
        complaint: AssertionError | None = None
        try:
            found = check()
        except AssertionError as error:
            found, complaint = None, error
        if found:
            return found
        if time.monotonic() > deadline:
            raise complaint or AssertionError(f"not within {within_s:g} s: {what or check}")
        time.sleep(POLL_S)
