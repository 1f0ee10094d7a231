"""A database that says when a batch's transaction was committed: what a handler cannot see."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from roster_common.runtime.database import Database, Tx
from roster_common.runtime.log.consumer import Received


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One batch: its events, when its handler was called and when its effects were committed.

    Seconds of the machine's monotonic clock, which all processes of a machine share.
    """

    events: Sequence[Received]
    handled_at: float
    committed_at: float


class StampedDatabase(Database):
    """`handling` is called first thing in a handler; `on_commit` then gets the batch's stamp."""

    def __init__(self, url: str, *, name: str, on_commit: Callable[[Stamp], None]) -> None:
        super().__init__(url, name=name, pool_size=4)
        self._on_commit = on_commit
        self._handling: dict[Tx, tuple[Sequence[Received], float]] = {}

    def handling(self, tx: Tx, events: Sequence[Received]) -> None:
        """Note that the handler of `events` begins."""
        self._handling[tx] = (events, monotonic())

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """As `Database.begin`; a transaction that rolls back leaves no stamp."""
        async with super().begin() as tx:
            try:
                yield tx
            except BaseException:
                self._handling.pop(tx, None)
                raise
        batch = self._handling.pop(tx, None)
        if batch is not None:
            events, handled_at = batch
            self._on_commit(Stamp(events=events, handled_at=handled_at, committed_at=monotonic()))
