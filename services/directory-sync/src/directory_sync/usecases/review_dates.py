"""Mark whom a date concerns: a role, a seat or a class begins or ends without any event."""

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import class_group, next_class_review
from directory_sync.domain.ids import DistrictId
from directory_sync.domain.person import Person, next_review
from directory_sync.domain.policy import Policy
from directory_sync.domain.work import Review
from directory_sync.ports import Unit, Units
from directory_sync.usecases.mark_groups import mark_groups
from roster_common.ports import Clock

_BATCH = 1_000


class ReviewDates:
    """Runs every few minutes; a day without begins and ends costs one index look-up a district."""

    def __init__(self, *, units: Units, policies: Sequence[Policy], clock: Clock) -> None:
        self._units = units
        self._policies = policies
        self._clock = clock

    async def __call__(self) -> int:
        """Returns how many persons and classes were due. Commits per batch; may run twice."""
        marked = 0
        for district_id in sorted({p.district_id for p in self._policies}):
            while count := await self._one_batch(district_id):
                marked += count
            while count := await self._classes(district_id):
                marked += count
        return marked

    async def _one_batch(self, district_id: DistrictId) -> int:
        policies = [p for p in self._policies if p.district_id == district_id]
        now = self._clock.now()
        today = now.astimezone(ZoneInfo(policies[0].time_zone)).date()
        async with self._units.begin() as unit:
            due = await unit.people.due_for_review(district_id, today=today, limit=_BATCH)
            if due:
                await self._mark(unit, policies, due=_reviews(due, today=today))
        return len(due)

    async def _classes(self, district_id: DistrictId) -> int:
        policies = [p for p in self._policies if p.district_id == district_id]
        now = self._clock.now()
        today = now.astimezone(ZoneInfo(policies[0].time_zone)).date()
        async with self._units.begin() as unit:
            due = await unit.people.due_classes(district_id, today=today, limit=_BATCH)
            reviews = {one.class_id: next_class_review(one, today=today) for one, _ in due}
            await unit.people.set_class_review(district_id, reviews)
            causes = {class_group(one.class_id): cause for one, cause in due}
            await mark_groups(unit, policies, district_id, causes, now=now)
        return len(due)

    async def _mark(self, unit: Unit, policies: Sequence[Policy], *, due: Sequence[Review]) -> None:
        district_id = policies[0].district_id
        await unit.people.set_review(district_id, due)
        now = self._clock.now()
        causes = {review.person_id: review.cause for review in due}
        await unit.marks.set(district_id, [p.target_id for p in policies], causes, now=now)
        groups = await unit.groups.groups_of(district_id, list(causes))
        group_causes = {name: causes[i] for i, names in groups.items() for name in names}
        await mark_groups(unit, policies, district_id, group_causes, now=now)


def _reviews(due: Sequence[tuple[Person, Cause]], *, today: date) -> list[Review]:
    return [
        Review(person_id=person.person_id, review_on=next_review(person, today=today), cause=cause)
        for person, cause in due
    ]
