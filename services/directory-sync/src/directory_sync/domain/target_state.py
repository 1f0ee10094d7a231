"""Where a target stands between its first reading and being live. Pure data."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """A target that was read whole. `live_at` None: its first connection waits for a person.

    `accounts` stood there at the first reading. `last_read_outcome`: what became of the last full
    reading, `believed` or why not.
    """

    first_read_at: datetime
    accounts: int
    live_at: datetime | None
    last_read_at: datetime | None
    last_read_outcome: str | None


def word_for(state: TargetState | None) -> str:
    """`unread`, `preview` (its first connection waits for a person) or `live`."""
    if state is None:
        return "unread"
    return "preview" if state.live_at is None else "live"
