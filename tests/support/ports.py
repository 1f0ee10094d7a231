"""Ports for programs of a test, from a range out of which the system gives nobody one by itself.

A port that the system gave and took back may be somebody else's before the program that was told of
it has started. So may one that is free now, where whole runs go on beside each other: a run takes
its ports from hundreds that no other run has meanwhile.
"""

import itertools
import os
import socket
from collections.abc import Sequence

FIRST, WORKERS = 10_001, 8
BLOCK, BLOCKS = 100, 10
"""Ports that are taken together, and how many of these the range of a worker holds."""
# Whole runs beside each other begin at different places.
_TURNS = itertools.count(os.getpid())
_CLAIMS: dict[int, socket.socket] = {}


def own_port() -> int:
    """A free port of 127.0.0.1 that this test run hands out again after all the others only.

    Tests that run beside each other take theirs from ranges of their own.
    """
    firsts = blocks(FIRST)
    first = next(filter(claim, firsts), firsts[0])
    for turn in itertools.islice(_TURNS, BLOCK - 1):
        port = first + turn % (BLOCK - 1)
        if _is_free(port):
            return port
    raise AssertionError("no free port")


def blocks(first: int) -> Sequence[int]:
    """First ports of this worker's hundreds, in the order in which this run tries them."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = first + BLOCK * BLOCKS * (worker % WORKERS)
    return [own + BLOCK * ((os.getpid() + turn) % BLOCKS) for turn in range(BLOCKS)]


def claim(first: int) -> bool:
    """Whether a hundred is this run's until it ends: it is bound to the last port for all to see.

    Nobody listens there, and no program of a test is given it.
    """
    if first not in _CLAIMS:
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", first + BLOCK - 1))
        except OSError:
            held.close()
            return False
        _CLAIMS[first] = held
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: the last connections of one that has ended are in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
