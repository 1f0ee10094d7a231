"""The real clock and the real id source: the only module that asks the machine for the time.

Everything else takes a `Clock` or an `IdSource` (roster_common.ports) from its caller.
"""

import os
import threading
import time
from datetime import UTC, datetime

_RANDOM_BITS = 74
_RANDOM_MASK = (1 << _RANDOM_BITS) - 1
_STEP_BITS = 32
_RAND_B_BITS = 62
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Give the present moment, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never step back; only differences mean anything."""
        return time.monotonic()


class Uuid7Ids:
    """UUIDv7 ids that rise strictly within one process, also inside a millisecond.

    Source: RFC 9562 section 5.7 (layout) and section 6.2 method 2 (the random part is raised by a
    random step within a millisecond). A clock that steps back does not break the order: the last
    millisecond is kept until the clock has passed it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = 0
        self._random = 0

    def new_id(self) -> str:
        """Give the next id in lower-case text form. Safe to call from several threads."""
        with self._lock:
            now_ms = time.time_ns() // 1_000_000
            if now_ms > self._last_ms:
                self._begin(now_ms)
            else:
                self._random += 1 + int.from_bytes(os.urandom(_STEP_BITS // 8))
                if self._random > _RANDOM_MASK:
                    self._begin(self._last_ms + 1)
            return _text(self._last_ms, self._random)

    def _begin(self, ms: int) -> None:
        self._last_ms = ms
        # The top bit starts at zero, so a busy millisecond has room to count up.
        self._random = int.from_bytes(os.urandom(10)) & (_RANDOM_MASK >> 1)


def _text(ms: int, random: int) -> str:
    rand_a = random >> _RAND_B_BITS
    rand_b = random & ((1 << _RAND_B_BITS) - 1)
    digits = f"{(ms << 80) | _VERSION | (rand_a << 64) | _VARIANT | rand_b:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
