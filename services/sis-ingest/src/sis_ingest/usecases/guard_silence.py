"""Guard silence: a source may put few people into places that are not its own, not many.

Whom it puts there falls silent, unless the place's own source has them: a removal for everybody
else, though the source removed nobody. Runs inside the caller's unit and never commits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set

from roster_common.holds import approvals_needed
from sis_ingest.domain.changes import Change
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.flips import (
    SILENCE,
    Flip,
    entity_of,
    item_name,
    place_of,
    retelling,
)
from sis_ingest.domain.guards import LIMITS, WINDOW, GuardKey, room
from sis_ingest.domain.publish import Resolved, ResolvedKey, Said
from sis_ingest.ports import Clock
from sis_ingest.ports.units import Unit
from sis_ingest.usecases.keep_hold import KeepHold


async def too_much_silence(
    unit: Unit,
    place: Place,
    said: Sequence[Said],
    before: Mapping[ResolvedKey, Resolved],
    *,
    clock: Clock,
    keep: KeepHold,
) -> Set[ResolvedKey]:
    """What may not fall silent yet. It is to stay published, and waits in a hold of the district:
    once it is approved, every record is told again by what is laid down.

    It spends from the same budget as the source's removals. Source: ADR 0012, ADR 0018.
    """
    falling: dict[Entity, list[Said]] = {}
    for one in said:
        old = before.get(one.key)
        known = old is not None and not old.deleted
        if known and one.silent and one.gone == "no_authority":
            falling.setdefault(one.entity, []).append(one)
    waiting = [
        late
        for entity, ones in falling.items()
        if (entity, "remove") in LIMITS
        for late in ones[await _spend(unit, place, (entity, "remove"), len(ones), clock, keep) :]
    ]
    if waiting:
        await _hold(unit, place, waiting, clock, keep)
    return frozenset(one.key for one in waiting)


async def _spend(
    unit: Unit, place: Place, key: GuardKey, wanted: int, clock: Clock, keep: KeepHold
) -> int:
    """How many may go, paid for."""
    now = clock.now()
    spent = (await unit.budget.spent(place, since=now - WINDOW)).get(key, 0)
    population = await unit.budget.active(place, key[0]) + spent
    going = room(keep.limits(place)[key], wanted=wanted, spent=spent, population=population)
    if going:
        await unit.budget.spend(
            place,
            key,
            going,
            cause_id=keep.ids.new_id(),
            now=now,
            window_begins=now - WINDOW,
        )
    return going


async def _hold(
    unit: Unit, place: Place, waiting: Sequence[Said], clock: Clock, keep: KeepHold
) -> None:
    """One hold of the district for all of it, whatever guard stopped it."""
    order = retelling(place.district_id)
    items = [_item(one, clock) for one in waiting]

    async def needed(names: Sequence[str]) -> int:
        return await _approvals(unit, place, names)

    hold = await keep.fill(
        unit,
        place_of(order),
        SILENCE,
        population=await unit.budget.active(place, SILENCE[0]),
        cause=waiting[0].cause,
        run_id=None,
        fill=lambda hold: unit.holds.put(hold, items),
        needed=needed,
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


async def _approvals(unit: Unit, place: Place, names: Sequence[str]) -> int:
    """The most that any entity needs: much of a small one is not little of a large one."""
    held = Counter(entity_of(name) for name in names)
    return max(
        [
            approvals_needed(held=count, population=await unit.budget.active(place, entity))
            for entity, count in held.items()
        ]
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
