"""Protocols between our rooms and the outside: clock, ids, and the event log.

Imports contracts only. Two implementations of the log stand behind these (runtime/log/postgres.py
and runtime/log/kafka.py); tests/contract/log runs one suite on both.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from roster_common.contracts.envelope import Outgoing


class Clock(Protocol):
    """Wall clock and a clock for durations."""

    def now(self) -> datetime:
        """Current instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class IdSource(Protocol):
    """Where new ids come from."""

    def new_id(self) -> str:
        """Return a fresh UUIDv7 as text: sortable by time of minting."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One ordered lane of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One event as a transport hands it over.

    `sequence` is the dense, commit-ordered number the log schema gave; it is the same on every
    transport and tells a repetition from news. `offset` is the transport's own place to seek to:
    equal to `sequence` on PostgreSQL, different on Kafka, where the relay may repeat itself.
    """

    topic: str
    partition: int
    offset: int
    sequence: int
    key: str
    headers: Mapping[str, str]
    value: bytes | None
    appended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAt:
    """Where to begin reading: `sequence` always holds, `offset` only on the log it came from."""

    sequence: int
    offset: int | None


OnAssigned = Callable[[frozenset[TopicPartition]], Awaitable[Mapping[TopicPartition, StartAt]]]
OnRevoked = Callable[[frozenset[TopicPartition]], Awaitable[None]]


class LogWriter(Protocol):
    """Publishes batches in order."""

    async def publish(self, batch: Sequence[Outgoing]) -> None:
        """Return when every event of `batch` is durable, in order per partition.

        Runs twice without harm only because readers drop repeated sequences. Raises `Retriable`
        when the log cannot be reached within its time bound; some of the batch may stand then.
        """
        ...

    async def close(self) -> None:
        """Give everything back within a few seconds, whether or not the log answers."""
        ...


class LogReader(Protocol):
    """One member of a consumer group."""

    @property
    def log_id(self) -> str:
        """Identity of the log read from; a stored offset means nothing on another one."""
        ...

    async def start(self, on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        """Join the group. `on_assigned` says where each partition starts (it claims them)."""
        ...

    async def poll(
        self, *, max_records: int, timeout_s: float
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """Next records of the partitions held, each list in order; empty after `timeout_s`."""
        ...

    async def report(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell lag tools the next offsets. Never what correctness rests on (blueprint)."""
        ...

    async def lag(self) -> Mapping[TopicPartition, int]:
        """Records on the log not handed out yet, per partition held."""
        ...

    async def stop(self) -> None:
        """Leave the group within a few seconds, whether or not the log answers."""
        ...
