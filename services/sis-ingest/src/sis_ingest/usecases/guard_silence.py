"""Guard silence: a source may put few people into places that are not its own, not many.

Whom it puts there falls silent, unless the place's own source has them: a removal for everybody
else, though the source removed nobody. Runs inside the caller's unit and never commits.
"""

from collections.abc import Mapping, Sequence, Set

from sis_ingest.domain.authority import DISTRICT
from sis_ingest.domain.changes import Change
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.flips import Flip, Order, item_name, place_of
from sis_ingest.domain.guards import LIMITS, WINDOW, GuardKey, room
from sis_ingest.domain.publish import Resolved, ResolvedKey, Said
from sis_ingest.ports import Clock, Unit
from sis_ingest.usecases.keep_hold import KeepHold


async def without_too_much_silence(
    unit: Unit,
    place: Place,
    said: Sequence[Said],
    before: Mapping[ResolvedKey, Resolved],
    *,
    clock: Clock,
    keep: KeepHold,
) -> Sequence[Said]:
    """What may be told. The rest stays published as it is and waits in a hold of the district:
    once it is approved, every record is told again by what is laid down.

    It spends from the same budget as the source's removals. Source: ADR 0012, ADR 0018.
    """
    falling: dict[Entity, list[Said]] = {}
    for one in said:
        old = before.get(one.key)
        known = old is not None and not old.deleted
        if known and one.silent and one.gone == "no_authority":
            falling.setdefault(one.entity, []).append(one)
    stopped: Set[ResolvedKey] = frozenset()
    for entity, ones in falling.items():
        if (entity, "remove") in LIMITS:
            stopped |= await _stopped(unit, place, (entity, "remove"), ones, clock, keep)
    return [one for one in said if one.key not in stopped] if stopped else said


async def _stopped(
    unit: Unit,
    place: Place,
    key: GuardKey,
    falling: Sequence[Said],
    clock: Clock,
    keep: KeepHold,
) -> Set[ResolvedKey]:
    now, limit = clock.now(), keep.limits(place)[key]
    spent = (await unit.holds.spent(place, since=now - WINDOW)).get(key, 0)
    population = await unit.holds.active(place, key[0]) + spent
    going = room(limit, wanted=len(falling), spent=spent, population=population)
    if going:
        await unit.holds.spend(
            place,
            key,
            going,
            cause_id=keep.ids.new_id(),
            now=now,
            window_begins=now - WINDOW,
        )
    waiting = falling[going:]
    if waiting:
        await _hold(unit, place, key, waiting, population, clock, keep)
    return {one.key for one in waiting}


async def _hold(
    unit: Unit,
    place: Place,
    key: GuardKey,
    waiting: Sequence[Said],
    population: int,
    clock: Clock,
    keep: KeepHold,
) -> None:
    """One hold of the district for all of it, whatever guard stopped it first."""
    authority = await unit.authority.of(place.district_id)
    order = Order(
        district_id=place.district_id, school_id=DISTRICT, source_id=authority.of(DISTRICT)
    )
    flip = await unit.authority.unfinished(place.district_id)
    if flip is not None and flip.begun_at is None and flip.order == order:
        hold = await unit.holds.get(place.district_id, flip.flip_id)
        key = key if hold is None else hold.key
    items = [_item(one, clock) for one in waiting]
    hold = await keep.fill(
        unit,
        place_of(order),
        key,
        population=population,
        cause=waiting[0].cause,
        run_id=None,
        fill=lambda hold: unit.holds.put(hold, items),
    )
    await unit.authority.save(
        Flip(
            flip_id=hold.hold_id,
            order=order,
            decided_by=f"source:{place.source_id}",
            correlation_id=waiting[0].cause.correlation_id,
            asked_at=hold.created_at,
        )
    )


def _item(one: Said, clock: Clock) -> Change:
    return Change(
        entity=one.entity,
        external_id=item_name(one.entity, "remove", one.entity_id),
        record=None,
        content_hash=b"",
        deleted=True,
        version=None,
        occurred_at=clock.now(),
        cause=one.cause,
    )
