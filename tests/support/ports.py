"""Ports for programs of a test, from a range out of which the system gives nobody one by itself.

A port that the system gave and took back may be somebody else's before the program that was told of
it has started.
"""

import itertools
import os
import socket

FIRST, SPAN, WORKERS = 10_001, 1_000, 8
# Whole runs beside each other begin at different places.
_TURNS = itertools.count(os.getpid())


def own_port() -> int:
    """A free port of 127.0.0.1 that this test run hands out again after all the others only.

    Tests that run beside each other take theirs from ranges of their own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST + SPAN * (worker % WORKERS)
    for turn in itertools.islice(_TURNS, SPAN):
        if _is_free(first + turn % SPAN):
            return first + turn % SPAN
    raise AssertionError("no free port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: the last connections of one that has ended are in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
