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
        districts = {p.district_id for p in persons} | {c.district_id for c in classes}
        for district_id in sorted(districts):
            changed += await self._record_district(
                unit,
                district_id,
                {one.person_id: one for one in persons if one.district_id == district_id},
                {one.class_id: one for one in classes if one.district_id == district_id},
            )
        return changed

    async def _record_district(
        self,
        unit: Unit,
        district_id: DistrictId,
        persons: Mapping[PersonId, PersonTold],
        classes: Mapping[str, ClassTold],
    ) -> int:
        """Groups are marked once, last: two transactions that mark them never cross."""
        now, today = self._clock.now(), self._today(district_id)
        changes = [_change(one, today) for one in persons.values()]
        changed = await unit.people.put_persons(district_id, changes, now=now)
        targets = [p.target_id for p in self._policies if p.district_id == district_id]
        if changed and targets:
            causes = {i: persons[i].cause for i in changed}
            await unit.marks.set(district_id, targets, causes, now=now)
        places = {i: places_of(persons[i].person) for i in changed}
        touched = await unit.groups.put_places(district_id, places, now=now)
        class_changes = [_class_change(one, today) for one in classes.values()]
        renewed = await unit.people.put_classes(district_id, class_changes, now=now)
        groups = {class_group(class_id): classes[class_id].cause for class_id in renewed} | {
            name: persons[i].cause for i, names in touched.items() for name in names
        }
        await mark_groups(unit, self._policies, district_id, groups, now=now)
        return len(changed) + len(renewed)

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
