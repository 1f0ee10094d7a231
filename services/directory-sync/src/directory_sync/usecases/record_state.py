"""Take in what the roster says of persons and classes, and mark whom it may concern.

The transaction belongs to the caller (the consumer), so that effect and position commit together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import class_group, next_class_review, places_of
from directory_sync.domain.ids import DistrictId, PersonId
from directory_sync.domain.person import Person, RosterClass, next_review
from directory_sync.domain.policy import Policy
from directory_sync.domain.work import ClassChange, PersonChange
from directory_sync.ports import Unit
from directory_sync.usecases.mark_groups import mark_groups
from roster_common.ports import Clock

_NO_TARGET_ZONE = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonTold:
    """An event about a person; `person` None means erased."""

    district_id: DistrictId
    person_id: PersonId
    person: Person | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTold:
    """An event about a class; `roster_class` None means erased."""

    district_id: DistrictId
    class_id: str
    roster_class: RosterClass | None
    cause: Cause


class RecordState:
    """Stores state and marks persons that changed, and groups that may, for every target."""

    def __init__(self, *, policies: Sequence[Policy], clock: Clock) -> None:
        self._policies = policies
        self._clock = clock

    async def __call__(
        self, unit: Unit, *, persons: Sequence[PersonTold], classes: Sequence[ClassTold]
    ) -> int:
        """Events in the order of the log; of several about one person the last counts.

        Returns how many persons and classes changed. Does not commit. Running it again marks
        nothing.
        """
        changed = 0
        now = self._clock.now()
        for district_id in sorted({told.district_id for told in persons}):
            changed += await self._record_persons(
                unit, district_id, [p for p in persons if p.district_id == district_id]
            )
        for district_id in sorted({told.district_id for told in classes}):
            last = {c.class_id: c for c in classes if c.district_id == district_id}
            changes = [_class_change(c, self._today(district_id)) for c in last.values()]
            told = await unit.people.put_classes(district_id, changes, now=now)
            causes = {class_group(class_id): last[class_id].cause for class_id in told}
            await mark_groups(unit, self._policies, district_id, causes, now=now)
            changed += len(told)
        return changed

    async def _record_persons(
        self, unit: Unit, district_id: DistrictId, told: Sequence[PersonTold]
    ) -> int:
        last = {one.person_id: one for one in told}
        today = self._today(district_id)
        changes = [_change(one, today) for one in last.values()]
        now = self._clock.now()
        changed = await unit.people.put_persons(district_id, changes, now=now)
        targets = [p.target_id for p in self._policies if p.district_id == district_id]
        if changed and targets:
            causes: Mapping[PersonId, Cause] = {i: last[i].cause for i in changed}
            await unit.marks.set(district_id, targets, causes, now=now)
        places = {i: places_of(last[i].person) for i in changed}
        touched = await unit.groups.put_places(district_id, places, now=now)
        group_causes = {name: last[i].cause for i, names in touched.items() for name in names}
        await mark_groups(unit, self._policies, district_id, group_causes, now=now)
        return len(changed)

    def _today(self, district_id: DistrictId) -> date:
        zones = (p.time_zone for p in self._policies if p.district_id == district_id)
        return self._clock.now().astimezone(ZoneInfo(next(zones, _NO_TARGET_ZONE))).date()


def _change(told: PersonTold, today: date) -> PersonChange:
    review_on = None if told.person is None else next_review(told.person, today=today)
    return PersonChange(
        person_id=told.person_id, person=told.person, review_on=review_on, cause=told.cause
    )


def _class_change(told: ClassTold, today: date) -> ClassChange:
    roster_class = told.roster_class
    review_on = None if roster_class is None else next_class_review(roster_class, today=today)
    return ClassChange(
        class_id=told.class_id, roster_class=roster_class, review_on=review_on, cause=told.cause
    )
