"""One round for a target's groups: prepare, apply, record. Takes no input: state decides."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from directory_sync.domain.backoff import asked_wait_s
from directory_sync.domain.membership import GroupOrder, GroupOutcome
from directory_sync.domain.outcome import Unavailable
from directory_sync.ports.groups import GroupTarget
from directory_sync.usecases.prepare_groups import GroupWork, PrepareGroups
from directory_sync.usecases.record_groups import RecordGroups


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRound:
    """What one round did; `held` counts removals that wait. `pause_s` as in `Round`."""

    claimed: int
    unchanged: int
    held: int
    counts: Mapping[tuple[str, str], int]
    pause_s: float


class ReconcileGroups:
    """Rounds for one target; several may run at once, in one process or in many."""

    def __init__(
        self,
        *,
        target: GroupTarget,
        prepare: PrepareGroups,
        record: RecordGroups,
        batch: int,
        lease_s: float,
    ) -> None:
        self._target = target
        self._prepare = prepare
        self._record = record
        self._batch = batch
        self._lease_s = lease_s
        self._refused_rounds = 0

    async def __call__(self) -> GroupRound:
        """Commits twice, around the calls to the target. A crash anywhere loses nothing."""
        work = await self._prepare(limit=self._batch, lease_s=self._lease_s)
        counts: Mapping[tuple[str, str], int] = {}
        pause_s = 0.0
        if work.prepared:
            outcomes = await self._apply(work)
            counts = await self._record(work, outcomes)
            pause_s = self._pause_s(outcomes)
        return GroupRound(
            claimed=work.claimed,
            unchanged=work.unchanged,
            held=work.held,
            counts=counts,
            pause_s=pause_s,
        )

    async def _apply(self, work: GroupWork) -> Sequence[GroupOutcome]:
        """Apply, and keep the lease for as long as the target takes."""
        async with asyncio.TaskGroup() as group:
            applying = group.create_task(self._apply_orders(work))
            while not (await asyncio.wait({applying}, timeout=self._lease_s / 3))[0]:
                await self._prepare.renew(work, lease_s=self._lease_s)
        return applying.result()

    async def _apply_orders(self, work: GroupWork) -> Sequence[GroupOutcome]:
        return await self._target.apply(
            [
                GroupOrder(key=item.claimed.name.key, action=item.action)
                for item in work.prepared
                if item.action is not None
            ]
        )

    def _pause_s(self, outcomes: Sequence[GroupOutcome]) -> float:
        """Nothing while the target serves anybody; else what it asks for, or longer each time."""
        away = [o for o in outcomes if isinstance(o, Unavailable)]
        asked = max((outcome.retry_after_s or 0.0 for outcome in away), default=0.0)
        if len(away) < len(outcomes) and not asked:
            self._refused_rounds = 0
            return 0.0
        self._refused_rounds += 1
        return asked_wait_s(asked, self._refused_rounds)
