"""Flip authority: an approver gives a place to another source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sis_ingest.domain.authority import DISTRICT, Authority
from sis_ingest.domain.flips import Differences, Flip, Order
from sis_ingest.domain.guards import GuardKey
from sis_ingest.domain.publish import ResolvedKey
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.sources import Sources
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.keep_flip import KeepFlip
from sis_ingest.usecases.weigh_flip import WeighFlip

NotFlipped: TypeAlias = Literal[
    "unknown_source",
    "supplement_source",
    "unknown_school",
    "flip_waits",
    "changed_meanwhile",
    "hash_differs",
]
State: TypeAlias = Literal["unchanged", "planned", "under_way", "held"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flipped:
    """What became of an order. A `planned` one with `stopped` guards would wait; `hold_id` names
    where it does.
    """

    state: State
    differences: Differences
    stopped: tuple[GuardKey, ...] = ()
    hold_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipAuthority:
    """Lays authority down, or lets it wait. `poke` wakes who tells the records again."""

    units: Units
    clock: Clock
    ids: Ids
    sources: Sources
    weigh: WeighFlip
    keep: KeepFlip
    poke: Callable[[], None]

    async def __call__(
        self,
        order: Order,
        *,
        subject: str,
        correlation_id: str,
        dry_run: bool = False,
        items_hash: str | None = None,
    ) -> Flipped | NotFlipped:
        """What was done, or why not. Commits; a `dry_run` only weighs. `items_hash`, where given,
        is of the dry run that was looked at.

        Below the limits of ADR 0012 it is laid down at once and the records are told again in the
        background. Above them it waits in a hold. May run twice: the second time changes nothing.
        """
        flip = Flip(
            flip_id=self.ids.new_id(),
            order=order,
            decided_by=subject,
            correlation_id=correlation_id,
            asked_at=self.clock.now(),
        )
        async with self.units.begin("run") as unit:
            refused = await self._refused(unit, order)
            before = await unit.authority.of(order.district_id)
            waiting = await unit.authority.unfinished(order.district_id)
        if refused is not None:
            return refused
        if waiting:
            return _as_it_waits(order, waiting)
        if before.sources.get(order.school_id) == order.source_id:
            return Flipped(state="unchanged", differences=Differences())
        after = before.with_place(order.school_id, order.source_id)
        differences = await self.weigh(flip, before=before, after=after)
        if not dry_run and items_hash not in (None, differences.items_hash):
            return "hash_differs"
        return await self._decide(flip, differences, before, dry_run=dry_run)

    async def _refused(self, unit: Unit, order: Order) -> NotFlipped | None:
        if order.source_id is not None:
            source = self.sources.get(order.source_id)
            if source is None or source.place.district_id != order.district_id:
                return "unknown_source"
            if source.supplement:
                return "supplement_source"
        if order.school_id == DISTRICT:
            return None
        school: ResolvedKey = ("org", order.school_id)
        known = await unit.records.resolved(order.district_id, [school])
        return None if school in known else "unknown_school"

    async def _decide(
        self, flip: Flip, differences: Differences, before: Authority, *, dry_run: bool
    ) -> Flipped | NotFlipped:
        district_id = flip.order.district_id
        async with self.units.begin("flip") as unit:
            await unit.lock_district(district_id)
            stopped = await self.keep.stopped(unit, district_id, differences)
            if dry_run:
                return Flipped(state="planned", differences=differences, stopped=stopped)
            if await unit.authority.of(district_id) != before:
                return "changed_meanwhile"
            if waiting := await unit.authority.unfinished(district_id):
                return _as_it_waits(flip.order, waiting)
            if stopped:
                await self.keep.hold(unit, flip, differences, stopped[0])
            else:
                await self.keep.begin(unit, flip, differences)
        self.poke()
        return Flipped(
            state="held" if stopped else "under_way",
            differences=differences,
            stopped=stopped,
            hold_id=flip.flip_id if stopped else None,
        )


def _as_it_waits(order: Order, waiting: Flip) -> Flipped | NotFlipped:
    """The same order once more finds itself; another one has to wait for its end."""
    if waiting.order != order:
        return "flip_waits"
    held = waiting.begun_at is None
    return Flipped(
        state="held" if held else "under_way",
        differences=Differences(),
        hold_id=waiting.flip_id if held else None,
    )
