"""What full readings of a target need from outside. Imports the domain only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from directory_sync.domain.drift import Drifted, Known, Reading
from directory_sync.domain.ids import DistrictId, PersonId, TargetId


class Readings(Protocol):
    """When a target is read whole, and our records beside what it shows."""

    async def ask(self, district_id: DistrictId, target_id: TargetId, *, now: datetime) -> None:
        """Somebody wants it read now."""
        ...

    async def begin(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        now: datetime,
        last_before: datetime,
        abandoned_before: datetime,
    ) -> bool:
        """Take the reading of a live target that is asked for or due; False when it is neither."""
        ...

    async def give_back(
        self, district_id: DistrictId, target_id: TargetId, *, now: datetime
    ) -> None:
        """It could not be read; it is due still."""
        ...

    async def end(
        self, district_id: DistrictId, target_id: TargetId, *, outcome: str, now: datetime
    ) -> None:
        """It was read; note what became of it."""
        ...

    async def known(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        account_ids: Sequence[str],
        *,
        began_at: datetime,
    ) -> Mapping[str, Known]:
        """Which of these accounts are ours."""
        ...

    async def all_known(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        *,
        after: PersonId,
        limit: int,
        began_at: datetime,
    ) -> Sequence[Known]:
        """A page of all accounts of ours, by person; "" is the start."""
        ...

    async def correct(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        drifted: Sequence[Drifted],
        reading: Reading,
        *,
        now: datetime,
    ) -> frozenset[PersonId]:
        """Take over what was seen, except for accounts that we touched since; returns whose.

        The caller marked all of them before, so that rounds and readings lock in one order.
        """
        ...
