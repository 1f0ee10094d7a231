"""One round for one target: prepare, apply, record. Takes no input: state decides what is done.

Whether an event, a date or a full reconcile set the mark makes no difference here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from directory_sync.domain.backoff import asked_wait_s
from directory_sync.domain.outcome import Order, Outcome, Unavailable
from directory_sync.ports import Target
from directory_sync.usecases.prepare_actions import PrepareActions, Work
from directory_sync.usecases.record_outcomes import RecordOutcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much a round takes on, and how soon another process takes over from a dead one."""

    batch: int = 200
    lease_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round did. `pause_s` is how long the target wants to be left alone."""

    claimed: int
    unchanged: int
    refused: int
    held: int
    counts: Mapping[tuple[str, str], int]
    pause_s: float


class ReconcileTarget:
    """Rounds for one target; several may run at once, in one process or in many."""

    def __init__(
        self, *, target: Target, prepare: PrepareActions, record: RecordOutcomes, pace: Pace
    ) -> None:
        self._target = target
        self._prepare = prepare
        self._record = record
        self._pace = pace
        self._refused_rounds = 0

    async def __call__(self) -> Round:
        """Commits twice, around the calls to the target. A crash anywhere loses nothing."""
        work = await self._prepare(limit=self._pace.batch, lease_s=self._pace.lease_s)
        counts: Mapping[tuple[str, str], int] = {}
        pause_s = 0.0
        if work.prepared:
            orders = [
                Order(person_id=item.claimed.person_id, action=item.action)
                for item in work.prepared
            ]
            outcomes = await self._apply(work, orders)
            counts = await self._record(work, outcomes)
            pause_s = self._pause_s(outcomes)
        return Round(
            claimed=work.claimed,
            unchanged=work.unchanged,
            refused=work.refused,
            held=work.held,
            counts=counts,
            pause_s=pause_s,
        )

    async def _apply(self, work: Work, orders: Sequence[Order]) -> Sequence[Outcome]:
        """Apply, and keep the lease for as long as the target takes."""
        async with asyncio.TaskGroup() as group:
            applying = group.create_task(self._apply_orders(orders))
            while not (await asyncio.wait({applying}, timeout=self._pace.lease_s / 3))[0]:
                await self._prepare.renew(work, lease_s=self._pace.lease_s)
        return applying.result()

    async def _apply_orders(self, orders: Sequence[Order]) -> Sequence[Outcome]:
        return await self._target.apply(orders)

    def _pause_s(self, outcomes: Sequence[Outcome]) -> float:
        """Nothing while the target serves anybody; else what it asks for, or longer each time."""
        away = [o for o in outcomes if isinstance(o, Unavailable)]
        asked = max((outcome.retry_after_s or 0.0 for outcome in away), default=0.0)
        if len(away) < len(outcomes) and not asked:
            self._refused_rounds = 0
            return 0.0
        self._refused_rounds += 1
        return asked_wait_s(asked, self._refused_rounds)
