"""Work out the state of people who are marked, and who joined, moved or left. Takes no input.

One transaction per turn: claim marks, read what is published, compare, store, emit. Runs twice
harmlessly: an unchanged state emits nothing unless the mark forces it (republish).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from roster_publisher.domain.lifecycle import Standing, advance
from roster_publisher.domain.people import Person, person_of, state_hash
from roster_publisher.domain.publication import Cause
from roster_publisher.ports import (
    Clock,
    DirtyMark,
    PersonConclusion,
    PersonHeld,
    StateUnit,
    StateUnits,
)

Today = Callable[[str, datetime], date]


class DerivePeople:
    """`today` gives the date in a district's zone at an instant."""

    def __init__(
        self,
        units: StateUnits,
        clock: Clock,
        *,
        today: Today,
        settle: timedelta,
        batch: int = 500,
    ) -> None:
        self._units = units
        self._clock = clock
        self._today = today
        self._settle = settle
        self._batch = batch

    async def __call__(self) -> int:
        """Do one batch of one district and commit; returns how many marks it took."""
        now = self._clock.now()
        async with self._units.begin() as unit:
            district_id, marks = await unit.claim_people(now=now, limit=self._batch)
            if marks:
                await self._derive(unit, district_id, marks, now)
        return len(marks)

    async def _derive(
        self, unit: StateUnit, district_id: str, marks: Sequence[DirtyMark], now: datetime
    ) -> None:
        ids = sorted(mark.id for mark in marks)
        turn = _Turn(
            unit=unit,
            district_id=district_id,
            revision=await unit.revision(district_id),
            now=now,
            today=self._today(district_id, now),
        )
        facts = await unit.people(district_id, ids)
        held = await unit.held(district_id, ids)
        org_ids = {ref["org"]["sourcedId"] for one in facts for ref in one.record["roles"]}
        org_ids |= {enrolment.school_id for one in facts for enrolment in one.enrolments}
        orgs = await unit.orgs(district_id, org_ids)
        people = {one.person_id: person_of(one, orgs, today=turn.today) for one in facts}
        conclusions = [
            self._conclude(turn, mark, people[mark.id], held.get(mark.id))
            for mark in marks
            if mark.id in people
        ]
        await unit.keep_people(district_id, conclusions, revision=turn.revision)

    def _conclude(
        self, turn: "_Turn", mark: DirtyMark, person: Person, before: PersonHeld | None
    ) -> PersonConclusion:
        digest = state_hash(person)
        if before is None or before.state_hash != digest or mark.force:
            turn.unit.emit_person(
                turn.district_id, person, revision=turn.revision, cause=mark.cause
            )
        standing, step = advance(
            before.standing if before else Standing(),
            person.roles_on(turn.today),
            now=turn.now,
            settle=self._settle,
        )
        left_cause = before.left_cause if before else None
        if step is not None:
            cause = (step.kind == "left" and left_cause) or mark.cause
            turn.unit.emit_step(turn.district_id, person.person_id, step, at=turn.now, cause=cause)
        return PersonConclusion(
            person_id=person.person_id,
            state_hash=digest,
            standing=standing,
            left_cause=_left_cause(standing, left_cause, mark.cause),
            next_date=person.next_date_after(turn.today),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """What one batch has in common."""

    unit: StateUnit
    district_id: str
    revision: int
    now: datetime
    today: date


def _left_cause(standing: Standing, before: Cause | None, now: Cause) -> Cause | None:
    """Why somebody is settling: what took the last role away, not the timer."""
    return (before or now) if standing.phase == "settling" else None
