"""What this service needs from outside, as Protocols over domain types. Imports domain only.

One module per reason to change: `publishing`, `states`, `reading`, `vendors`, `operating`; what
all of them need stands here.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock."""

    def now(self) -> datetime:
        """Current instant, aware, UTC."""
        ...
