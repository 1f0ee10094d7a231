"""The rows of a run beside the truth: every method runs in the caller's transaction, none commits.

A port of this service like those beside it; imports the domain only.
"""

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Protocol

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.guards import GuardKey, Hold
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import RawRow, Sieve, StagedRow, Wanted


class Staging(Protocol):
    """The rows of a run while it is compared and applied.

    Reading them raises `Retriable` when the store lost them since `begin`.
    """

    async def begin(self, run: Run) -> None:
        """Throws away what there was of the run, and makes room for its rows."""
        ...

    async def clear(self, run: Run) -> None:
        """Throws the run's rows away."""
        ...

    async def put(self, run: Run, entity: Entity, rows: Sequence[StagedRow]) -> None:
        """Adds rows."""
        ...

    async def put_known(self, run: Run, entity: Entity, rows: Sequence[RawRow]) -> Set[int]:
        """Adds those that stand behind a live record already, exactly as they are: their numbers.

        They name their record and say nothing new of it.
        """
        ...

    async def weigh(self) -> None:
        """To be called once all rows are staged, before anything compares them."""
        ...

    async def drop_repeated(self, run: Run, entity: Entity) -> Sequence[int]:
        """Drops rows whose id stood in an earlier row; their row numbers, ascending."""
        ...

    async def sieve(self, run: Run, entity: Entity, *, whole: bool) -> Sieve:
        """Compares by content hash as sets: only rows that say something new differ afterwards.

        What a `whole` collection lacks, and is older than it, is staged as a deletion.
        """
        ...

    async def stale(self, run: Run, entity: Entity) -> int:
        """How many rows that differ are older than what we hold: applying them changes nothing."""
        ...

    async def differing(
        self, run: Run, entity: Entity, *, deleted: bool, after: tuple[str, int], limit: int
    ) -> Sequence[StagedRow]:
        """The next rows that differ, upserts or deletions, by (sort key, row)."""
        ...


class GuardedRows(Protocol):
    """Those of a run's rows that a guard counts.

    Reading them raises `Retriable` when the store lost them since `Staging.begin`.
    """

    async def wanted(self, run: Run, key: GuardKey, *, now: datetime) -> Wanted:
        """How many of the differing rows this guard counts, and how many of them wait `now`."""
        ...

    async def hand_over(self, run: Run, hold: Hold, *, fresh: bool) -> int:
        """Moves rows that the hold's guard counts into the hold: all, or without `fresh` only
        those it has already. How many.
        """
        ...

    async def overtake(self, run: Run, entity: Entity, *, whole: bool) -> frozenset[str]:
        """Takes out of open holds what the rows contradict; ids of the holds that changed."""
        ...
