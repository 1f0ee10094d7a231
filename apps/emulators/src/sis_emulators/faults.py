"""What goes wrong on purpose: told over `/_faults`, drawn under the seed, counted in the evidence.

A fault strikes a request (or a notification) whose path contains `path`, after letting `after` of
them through, at most `times` times, each with `probability`. `amount` means what its kind says.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

# Kind to what `amount` means there, and what it is when nothing is said.
KINDS: dict[str, tuple[str, float]] = {
    "too_many_requests": ("seconds in Retry-After of the 429", 1),
    "server_error": ("HTTP status", 500),
    "slow": ("seconds before the answer", 0.5),
    "malformed": ("share of the body that is sent", 0.5),
    "token_expiry": ("no meaning: every token issued so far ends", 0),
    "rekey": ("no meaning: everybody gets new numbers before the answer", 0),
    "empty_success": ("no meaning: 200 without items", 0),
    "short_page": ("items left out at the end of the page", 1),
    "wrong_total": ("added to the total count", 1),
    "new_revision": ("no meaning: x-perm-rev changes from here on", 0),
    "lose": ("no meaning: the notification is not sent", 0),
    "duplicate": ("further copies", 1),
    "reorder": ("seconds to wait for the next one, which goes first", 1),
    "delay": ("seconds before it is sent", 0.5),
}


class BadFault(ValueError):
    """A fault that cannot be; the message names the field."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing to go wrong. `times` None is for ever."""

    kind: str
    times: int | None = 1
    probability: float = 1.0
    after: int = 0
    path: str = ""
    amount: float = 0.0


class Faults:
    """The faults in force."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._waiting: list[Fault] = []
        self.struck: Counter[str] = Counter()

    def replace(self, told: Sequence[dict[str, Any]]) -> None:
        """Puts these in force instead of those before. Raises `BadFault`, then nothing changes."""
        self._waiting = [_read(one) for one in told]

    def waiting(self) -> list[dict[str, Any]]:
        """What is still in force, with what is left of `times` and `after`."""
        return [asdict(fault) for fault in self._waiting]

    def strike(self, kind: str, path: str = "") -> Fault | None:
        """The first fault of the kind that strikes here and now; it is counted."""
        for fault in self._waiting:
            if fault.kind != kind or fault.path not in path:
                continue
            if fault.after > 0:
                fault.after -= 1
            elif fault.times != 0 and self._random.random() < fault.probability:
                fault.times = None if fault.times is None else fault.times - 1
                self.struck[kind] += 1
                return fault
        return None


def _read(told: dict[str, Any]) -> Fault:
    try:
        fault = Fault(**told)
    except TypeError as error:
        raise BadFault(f"a fault has kind and may have times, probability, after, path, amount: "
                       f"{error}") from error  # fmt: skip
    if fault.kind not in KINDS:
        raise BadFault(f"kind is none of {', '.join(KINDS)}")
    if not 0 <= fault.probability <= 1:
        raise BadFault("probability is not between 0 and 1")
    if "amount" not in told:
        fault.amount = KINDS[fault.kind][1]
    return fault
