"""What this service needs from outside its rules, as Protocols over domain types.

One module per reason to change: `sources`, `snapshots`, `pulls` with
`pull_stores`, `drops`, `files`, `units` with its
`stores`, `staging`, `identities` and `authority`, `desks`; what all of them need stands here.
Imports the domain and the roads of failure only.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock."""

    def now(self) -> datetime:
        """Current instant, aware, UTC."""
        ...


class Ids(Protocol):
    """Where new ids come from."""

    def new_id(self) -> str:
        """A fresh UUIDv7 as text. Safe from several threads."""
        ...
