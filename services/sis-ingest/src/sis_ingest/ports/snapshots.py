"""How a source words its snapshots: the reader of a file, and the file being read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from roster_common.errors import Invalid
from sis_ingest.domain.runs import Problem
from sis_ingest.domain.snapshots import Chunk, Collection, RawRow, Rows


class SnapshotRefused(Invalid):
    """The file cannot be used as a whole; `problems` says why, by file, row and column."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].code, field=problems[0].file)
        self.problems = tuple(problems)


class OpenSnapshot(Protocol):
    """A snapshot file being read. Blocking: call from a thread."""

    @property
    def collections(self) -> Sequence[Collection]:
        """What it states, in import order."""
        ...

    @property
    def warnings(self) -> Sequence[Problem]:
        """What is odd about it, but bearable."""
        ...

    @property
    def unpacked_bytes(self) -> int:
        """Size of all collections, for progress."""
        ...

    def chunks(self, collection: Collection, *, rows: int) -> Iterator[Chunk]:
        """The rows of one collection, `rows` at a time, never the whole file in memory."""
        ...

    def read(self, collection: Collection, rows: Sequence[RawRow]) -> Rows:
        """What the rows say: the costly step, spared where a row is known as it stands."""
        ...

    def close(self) -> None:
        """Gives files back. May run twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotLimits:
    """Bounds against archives made to harm."""

    unpacked_bytes: int = 8 * 1024**3
    ratio: float = 200.0
    entries: int = 200


class SnapshotReader(Protocol):
    """How one kind of source words its snapshots."""

    def open(self, path: Path, *, limits: SnapshotLimits) -> OpenSnapshot:
        """Checks the file as a whole. Raises `SnapshotRefused`. Blocking: call from a thread."""
        ...
