"""Settle a flip: begin it once it was approved, and tell every record again that differs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sis_ingest.domain.authority import Authority
from sis_ingest.domain.entities import IMPORT_ORDER, Entity
from sis_ingest.domain.flips import SILENCE, Differences, Flip, place_of, retell
from sis_ingest.domain.guards import Hold
from sis_ingest.domain.publish import Published, Resolved, ResolvedKey
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.authority import AuthorityDesk
from sis_ingest.ports.units import Unit, Units
from sis_ingest.usecases.keep_flip import KeepFlip
from sis_ingest.usecases.speaking import voices_behind
from sis_ingest.usecases.weigh_flip import PAGE, WeighFlip


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleFlip:
    """Carries out flips, oldest first, a page of records at a time."""

    units: Units
    desk: AuthorityDesk
    clock: Clock
    ids: Ids
    weigh: WeighFlip
    keep: KeepFlip

    async def next(self, *, resting: Collection[str] = ()) -> Flip | None:
        """The oldest flip with something to do, leaving out the ids `resting`."""
        return await self.desk.due(resting=resting)

    async def __call__(self, flip: Flip) -> None:
        """Do one step of it and commit; ask for the `next` until there is none.

        Each page stands with its place in one transaction, so a crash repeats nothing, and a
        record that changes meanwhile is told by what is laid down already.
        """
        if flip.begun_at is None:
            await self._begin(flip)
        else:
            await self._page(flip)

    async def _begin(self, flip: Flip) -> None:
        """Weighs it again: what came since its approval may not go beyond the limits either."""
        district_id = flip.order.district_id
        async with self.units.begin("run") as unit:
            before = await unit.authority.of(district_id)
        after = _after_all(flip, before)
        differences = await self.weigh(flip, before=before, after=after)
        async with self.units.begin("flip") as unit:
            await unit.lock_district(district_id)
            hold = await unit.holds.get(district_id, flip.flip_id)
            if hold is None and flip.order.retells:
                await self._first(unit, flip, differences)
                return
            if hold is None or hold.done_at is not None:
                return
            since = differences.without(frozenset(await unit.holds.names(hold)))
            stopped = await self.keep.stopped(unit, district_id, since)
            ended = replace(
                hold,
                released=0 if stopped else hold.count,
                reason="changed_since" if stopped else None,
                done_at=self.clock.now(),
            )
            await self._end(unit, ended)
            if stopped:
                await unit.authority.save(replace(flip, ended_at=self.clock.now()))
                again = replace(flip, flip_id=self.ids.new_id(), asked_at=self.clock.now())
                await self.keep.hold(unit, again, differences, stopped[0])
            else:
                await self.keep.begin(unit, flip, since)

    async def _first(self, unit: Unit, flip: Flip, differences: Differences) -> None:
        """A retelling that nobody was asked about yet: it begins, or waits for a person.

        It takes nothing away by the way after a person was asked and did not say yes.
        """
        district_id = flip.order.district_id
        now = await unit.authority.flip(district_id, flip.flip_id)
        if now is None or now.begun_at is not None or now.ended_at is not None:
            return
        last = await unit.holds.newest(place_of(flip.order), SILENCE)
        unwanted = last is not None and last.decision.state != "approved"
        if (unwanted and differences.silences) or await self.keep.stopped(
            unit, district_id, differences
        ):
            await self.keep.hold(unit, flip, differences, SILENCE)
        else:
            await self.keep.begin(unit, flip, differences)

    async def _end(self, unit: Unit, hold: Hold) -> None:
        await unit.holds.drop(hold)
        await unit.holds.save(hold)

    async def _page(self, found: Flip) -> None:
        district_id = found.order.district_id
        async with self.units.begin("flip") as unit:
            await unit.lock_district(district_id)
            flip = await unit.authority.flip(district_id, found.flip_id)
            if flip is None or flip.ended_at is not None:
                return
            entity, last = flip.after or (IMPORT_ORDER[0], "")
            page = await unit.records.of_entity(district_id, entity, after=last, limit=PAGE)
            published = await self._tell(unit, flip, page)
            gone = sum(record.deleted for record in published.records)
            moved = replace(
                flip,
                after=_after(entity, page),
                upserted=flip.upserted + len(published.records) - gone,
                deleted=flip.deleted + gone,
            )
            if moved.after is None:
                moved = replace(moved, after=flip.after, ended_at=self.clock.now())
            await unit.authority.save(moved)

    async def _tell(self, unit: Unit, flip: Flip, page: Sequence[Resolved]) -> Published:
        district_id = flip.order.district_id
        records = {(one.entity, one.entity_id): one for one in page}
        authority = await unit.authority.of(district_id)
        voices = await voices_behind(unit, district_id, list(records), authority=authority)
        published = retell(district_id, records, voices, authority=authority, cause=flip.cause)
        if published.records:
            await unit.records.write_resolved(district_id, published.records, now=self.clock.now())
        for event in published.events:
            unit.emit(event)
        return published


def _after_all(flip: Flip, before: Authority) -> Authority:
    """What is laid down once it has begun."""
    order = flip.order
    return before if order.retells else before.with_place(order.school_id, order.source_id)


def _after(entity: Entity, page: Sequence[Resolved]) -> ResolvedKey | None:
    """Where to go on: in the same entity, at the beginning of the next, or nowhere."""
    if len(page) == PAGE:
        return entity, page[-1].entity_id
    later = IMPORT_ORDER[IMPORT_ORDER.index(entity) + 1 :]
    return (later[0], "") if later else None
