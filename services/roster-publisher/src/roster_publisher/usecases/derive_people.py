"""Work out the state of people who are marked, and who joined, moved or left. Takes no input.

One transaction per turn: claim marks, read what is published, compare, store, emit. Runs twice
harmlessly: an unchanged state emits nothing unless the mark forces it (republish).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from roster_publisher.domain.causes import lines
from roster_publisher.domain.class_moves import attended_on, class_moves
from roster_publisher.domain.lifecycle import Standing, Step, advance
from roster_publisher.domain.names import Authority, sis_first
from roster_publisher.domain.people import (
    OrgFacts,
    PersonFacts,
    RoleHeld,
    person_of,
    state_hash,
)
from roster_publisher.domain.publication import Cause
from roster_publisher.domain.records import Key
from roster_publisher.ports import Clock
from roster_publisher.ports.states import (
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
        authority: Authority = sis_first,
        batch: int = 500,
    ) -> None:
        self._units = units
        self._clock = clock
        self._today = today
        self._settle = settle
        self._authority = authority
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
        facts = {one.person_id: one for one in await unit.people(district_id, ids)}
        held = await unit.held(district_id, ids)
        turn = _Turn(
            unit=unit,
            district_id=district_id,
            revision=await unit.revision(district_id),
            now=now,
            today=self._today(district_id, now),
            orgs=await unit.orgs(district_id, _orgs_of(facts.values())),
        )
        conclusions = [
            self._conclude(turn, mark, facts[mark.id], held.get(mark.id))
            for mark in marks
            if mark.id in facts
        ]
        unseen = [mark for mark in marks if mark.merged_into and mark.id not in facts]
        for mark in unseen:
            self._step(turn, mark, (), None)
        await unit.keep_people(district_id, conclusions, revision=turn.revision, now=now)
        left = [(one.cause.correlation_id, "left", Key("user", one.id)) for one in unseen]
        done = lines("derived", [*_effects(conclusions), *left])
        await unit.keep_causes(district_id, done, revision=turn.revision, at=now)

    def _conclude(
        self, turn: "_Turn", mark: DirtyMark, facts: PersonFacts, before: PersonHeld | None
    ) -> PersonConclusion:
        authority = self._authority(turn.district_id)
        person = person_of(facts, turn.orgs, today=turn.today, authority=authority)
        digest = state_hash(person)
        emits = before is None or before.state_hash != digest or mark.force
        if emits:
            turn.unit.emit_person(
                turn.district_id, person, revision=turn.revision, cause=mark.cause
            )
        roles = person.roles_on(turn.today)
        standing, step, stepped = self._step(turn, mark, roles, before)
        attended = attended_on(turn.today, facts.enrolments)
        moves = class_moves(
            before.attended if before else (), attended, facts.enrolments, today=turn.today
        )
        for move in moves:
            turn.unit.emit_class_move(turn.district_id, person.person_id, move, cause=mark.cause)
        return PersonConclusion(
            person_id=person.person_id,
            state_hash=digest,
            standing=standing,
            left_cause=_left_cause(standing, before.left_cause if before else None, mark.cause),
            next_date=person.next_date_after(turn.today),
            attended=attended,
            emitted=mark.cause if emits else None,
            step=step.kind if step else None,
            stepped=stepped,
        )

    def _step(
        self, turn: "_Turn", mark: DirtyMark, roles: Sequence[RoleHeld], before: PersonHeld | None
    ) -> tuple[Standing, Step | None, Cause | None]:
        """The new standing; the step it is, told, with its cause. Also of one whose id ended and
        who is not shown, never or no more: others may have kept something under it.
        """
        standing, step = advance(
            before.standing if before else Standing(),
            roles,
            now=turn.now,
            settle=self._settle,
            merged_into=mark.merged_into,
        )
        if step is None:
            return standing, None, None
        left_cause = before.left_cause if before else None
        waited = step.kind == "left" and step.merged_into is None
        cause = (waited and left_cause) or mark.cause
        turn.unit.emit_step(turn.district_id, mark.id, step, at=turn.now, cause=cause)
        return standing, step, cause


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """What one batch has in common."""

    unit: StateUnit
    district_id: str
    revision: int
    now: datetime
    today: date
    orgs: Mapping[str, OrgFacts]


def _orgs_of(people: Iterable[PersonFacts]) -> set[str]:
    found: set[str] = set()
    for one in people:
        found.update(ref["org"]["sourcedId"] for ref in one.record["roles"])
        found.update(enrolment.school_id for enrolment in one.enrolments)
    return found


def _effects(conclusions: Sequence[PersonConclusion]) -> Iterable[tuple[str, str, Key]]:
    """States emitted, then steps taken, by what caused them."""
    for one in conclusions:
        key = Key("user", one.person_id)
        if one.emitted is not None:
            yield one.emitted.correlation_id, "", key
        if one.step is not None and one.stepped is not None:
            yield one.stepped.correlation_id, one.step, key


def _left_cause(standing: Standing, before: Cause | None, now: Cause) -> Cause | None:
    """Why somebody is settling: what took the last role away, not the timer."""
    return (before or now) if standing.phase == "settling" else None
