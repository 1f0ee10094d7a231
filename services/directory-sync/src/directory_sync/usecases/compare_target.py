"""Read a whole target, compare it with our records, and mark what is not as it should be.

Rounds do the rest: what a full reading finds and what an event tells are one code path (ADR 0006).
Somebody else's changes are told as drift. Runs beside rounds: what they touch is left to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from directory_sync.domain.account import ActualAccount
from directory_sync.domain.drift import Drifted, Known, Reading, ReadOutcome, drift, judge_list
from directory_sync.domain.fact import Cause, Drift
from directory_sync.domain.group import kinds_wanted
from directory_sync.domain.ids import PersonId
from directory_sync.ports import Unit, Units, Wiring
from directory_sync.usecases.connect_target import TargetReadIncomplete, whole
from directory_sync.usecases.planning import Planner
from roster_common.errors import Retriable
from roster_common.ports import Clock, IdSource

_PAGE: Final = 500
# A reader that died is followed by another after so long.
_ABANDONED: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one reading came to. `listed` accounts stood there, `missing` of ours did not."""

    outcome: ReadOutcome
    listed: int = 0
    known: int = 0
    missing: int = 0
    drifted: int = 0
    marked: int = 0


@dataclass(slots=True, kw_only=True)
class _List:
    """The list as far as it was read: ids alone, and what differs."""

    ids: set[str] = field(default_factory=set)
    drifted: list[Drifted] = field(default_factory=list)


class CompareTarget:
    """Reads one live target when it is due or asked for."""

    def __init__(self, *, units: Units, wiring: Wiring, clock: Clock, ids: IdSource) -> None:
        self._units = units
        self._wiring = wiring
        self._key = (wiring.policy.district_id, wiring.policy.target_id)
        self._clock = clock
        self._ids = ids

    async def __call__(self) -> Compared | None:
        """None when no reading is due. Commits in pieces; after a crash it is begun again.

        Raises Retriable when the target does not answer; the reading is due still.
        """
        now = self._clock.now()
        every = timedelta(seconds=self._wiring.policy.read_every_s)
        async with self._units.begin() as unit:
            due = await unit.readings.begin(
                *self._key, now=now, last_before=now - every, abandoned_before=now - _ABANDONED
            )
        if not due:
            return None
        reading = Reading(reading_id=self._ids.new_id(), began_at=now)
        try:
            compared = await self._compare(reading)
        except TargetReadIncomplete:
            compared = Compared(outcome=ReadOutcome.INCOMPLETE)
        except Retriable:
            async with self._units.begin() as unit:
                await unit.readings.give_back(*self._key, now=now)
            raise
        async with self._units.begin() as unit:
            await unit.readings.end(
                *self._key, outcome=compared.outcome.value, now=self._clock.now()
            )
        return compared

    async def _compare(self, reading: Reading) -> Compared:
        listed = _List()
        async for accounts in whole(self._wiring.target):
            async with self._units.begin() as unit:
                await self._compare_page(unit, listed, accounts, reading)
        known, missing = await self._missing(listed, reading)
        outcome = judge_list(listed=len(listed.ids), known=known, missing=len(missing))
        if outcome is not ReadOutcome.BELIEVED:
            return Compared(
                outcome=outcome, listed=len(listed.ids), known=known, missing=len(missing)
            )
        corrected = 0
        drifted = sorted((*listed.drifted, *missing), key=lambda one: one.known.person_id)
        for start in range(0, len(drifted), _PAGE):
            async with self._units.begin() as unit:
                corrected += await self._correct(unit, drifted[start : start + _PAGE], reading)
        return Compared(
            outcome=outcome,
            listed=len(listed.ids),
            known=known,
            missing=len(missing),
            drifted=corrected,
            marked=await self._mark_wanted(reading),
        )

    async def _compare_page(
        self, unit: Unit, listed: _List, accounts: Sequence[ActualAccount], reading: Reading
    ) -> None:
        listed.ids.update(account.account_id for account in accounts)
        ours = await unit.readings.known(
            *self._key, [a.account_id for a in accounts], began_at=reading.began_at
        )
        found = [drift(ours[a.account_id], a) for a in accounts if a.account_id in ours]
        listed.drifted += [one for one in found if one is not None]

    async def _missing(self, listed: _List, reading: Reading) -> tuple[int, list[Drifted]]:
        """How many accounts are ours, and those of them that the list does not show."""
        count, missing = 0, list[Drifted]()
        page: Sequence[Known] = ()
        after = PersonId("")
        while True:
            async with self._units.begin() as unit:
                page = await unit.readings.all_known(
                    *self._key, after=after, limit=_PAGE, began_at=reading.began_at
                )
            if not page:
                return count, missing
            count += len(page)
            gone = [drift(one, None) for one in page if one.actual.account_id not in listed.ids]
            missing += [one for one in gone if one is not None]
            after = page[-1].person_id

    async def _correct(self, unit: Unit, drifted: Sequence[Drifted], reading: Reading) -> int:
        district_id, target_id = self._key
        cause = Cause(correlation_id=reading.reading_id, causation_id=None, origin="schedule")
        now = self._clock.now()
        people = {one.known.person_id: cause for one in drifted}
        await unit.marks.set(district_id, [target_id], people, now=now)
        corrected = await unit.readings.correct(*self._key, drifted, reading, now=now)
        for one in drifted:
            if one.known.person_id not in corrected:
                continue
            for difference in one.differences:
                unit.emit(
                    Drift(
                        district_id=district_id,
                        target_id=target_id,
                        person_id=one.known.person_id,
                        account_id=one.known.actual.account_id,
                        field=difference.field,
                        expected_hash=difference.expected_hash,
                        actual_hash=difference.actual_hash,
                        cause=cause,
                    )
                )
        return len(corrected)

    async def _mark_wanted(self, reading: Reading) -> int:
        """Mark whom a round would do something about, and every group: also when a mark was lost.

        Returns how many persons.
        """
        now = self._clock.now()
        kinds = kinds_wanted(self._wiring.policy)
        if kinds:
            async with self._units.begin() as unit:
                await unit.group_marks.set_all(
                    *self._key, kinds=kinds, correlation_id=reading.reading_id, now=now
                )
        async with self._units.begin() as unit:
            restless = await Planner(wiring=self._wiring, now=now).restless(unit)
        people = sorted(restless)
        for start in range(0, len(people), _PAGE):
            causes = {p: restless[p] for p in people[start : start + _PAGE]}
            async with self._units.begin() as unit:
                await unit.marks.add(*self._key, causes, now=now)
        return len(people)
