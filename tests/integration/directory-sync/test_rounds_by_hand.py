"""Rounds on the real store with outcomes given by hand, so that time passes as the test says."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from directory_sync.adapters.events import FactToEvent
from directory_sync.adapters.postgres.units import PostgresUnits
from directory_sync.domain.account import ActualAccount
from directory_sync.domain.fact import Cause
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.outcome import Applied, Unavailable
from directory_sync.domain.person import Person, Role
from directory_sync.domain.policy import Policy
from directory_sync.ports import Wiring
from directory_sync.targets.scim.desired import desired
from directory_sync.usecases.guarding import Guard
from directory_sync.usecases.prepare_actions import PrepareActions
from directory_sync.usecases.reconcile_target import Pace, ReconcileTarget
from directory_sync.usecases.record_outcomes import RecordOutcomes
from directory_sync.usecases.record_state import PersonTold, RecordState
from roster_common.contracts.envelope import new_event
from roster_common.runtime.database import Database
from roster_common.testkit.clock import CountingIds, FixedClock

NORTH, TARGET = DistrictId("north"), TargetId("t")
CAUSE = Cause(correlation_id="why", causation_id=None, origin="webhook")
FORBIDDEN = Unavailable(code="http_403", retry_after_s=None, maybe_done=False)
POLICY = Policy(
    district_id=NORTH,
    target_id=TARGET,
    roles=frozenset({"student"}),
    email_domain=None,
    time_zone="UTC",
)


class Answers:
    """A directory that serves everybody but one."""

    def __init__(self, *, not_served, served=True):
        self._not_served = not_served
        self._served = served

    async def apply(self, orders):
        """One outcome per order."""
        return [
            FORBIDDEN if o.person_id == self._not_served or not self._served else _made(o)
            for o in orders
        ]


@dataclass
class Rounds:
    """One target's rounds, its store and its clock."""

    units: PostgresUnits
    database: Database
    clock: FixedClock
    ids: CountingIds

    async def tell(self, *people):
        """Take in what the roster says."""
        record = RecordState(policies=[POLICY], clock=self.clock)
        async with self.units.begin() as unit:
            told = [_told(p) for p in people]
            await record(unit, persons=told, classes=[])

    async def run(self, answers):
        """One round."""
        wiring = Wiring(policy=POLICY, desired=desired, target=answers)
        guard = Guard(policy=POLICY, ids=self.ids)
        return await ReconcileTarget(
            target=answers,
            prepare=PrepareActions(
                units=self.units, wiring=wiring, clock=self.clock, ids=self.ids, guard=guard
            ),
            record=RecordOutcomes(units=self.units, wiring=wiring, clock=self.clock),
            pace=Pace(),
        )()

    async def mark(self, person_id):
        """The mark of a person."""
        pool = await self.database.pool()
        return await pool.fetchrow(
            "SELECT attempts, next_attempt_at, last_error_code FROM directory_sync.dirty"
            " WHERE person_id = $1",
            person_id,
        )

    async def failures(self):
        """Attempts that were told as failed."""
        pool = await self.database.pool()
        rows = await pool.fetch(
            "SELECT 1 FROM log.event WHERE convert_from(value, 'UTF8') LIKE '%http_403%'"
        )
        return len(rows)


@pytest.fixture
async def rounds(directory_database_url):
    """Rounds on a fresh store."""
    database, clock, ids = (
        Database(directory_database_url, name="test"),
        FixedClock(),
        CountingIds(),
    )

    def event(data, **more):
        return new_event(
            data, event_id=ids.new_id(), time=clock.now(), service="directory-sync", **more
        )

    yield Rounds(PostgresUnits(database, FactToEvent(event)), database, clock, ids)
    await database.close()


async def test_one_who_is_refused_as_if_later_is_parked_while_others_are_served(rounds):
    answers = Answers(not_served="p0")
    await rounds.tell("p0")

    for attempt in range(1, 6):
        await rounds.tell(f"other{attempt}")
        done = await rounds.run(answers)
        rounds.clock.advance(60)

    parked = await rounds.mark("p0")
    assert done.counts == {("create", "done"): 1, ("create", "failed"): 1}
    assert parked["attempts"] == 5
    assert parked["next_attempt_at"] - rounds.clock.now() > timedelta(hours=3)
    assert await rounds.failures() == 1
    # It stops nobody meanwhile.
    assert done.pause_s == 0


async def test_a_target_that_refuses_everybody_is_away_and_parks_nobody(rounds):
    await rounds.tell("p0", "p1")

    for _ in range(8):
        done = await rounds.run(Answers(not_served="p0", served=False))
        rounds.clock.advance(60)

    assert done.counts == {("create", "retried"): 2}
    assert (await rounds.mark("p0"))["next_attempt_at"] <= rounds.clock.now()
    assert await rounds.failures() == 0
    assert done.pause_s > 0


def _made(order):
    wanted = order.action.desired
    return Applied(
        actual=ActualAccount(
            account_id=f"a-{order.person_id}",
            external_id=order.person_id,
            username=wanted.username,
            email=None,
            enabled=True,
            attributes=wanted.attributes,
        ),
        linked=False,
    )


def _told(person_id):
    student = Role(role="student", role_type="primary", org_id="hill", begin=None, end=None)
    person = Person(
        person_id=PersonId(person_id),
        active=True,
        enabled=True,
        given_name="Ada",
        family_name="Lovelace",
        preferred_first_name=None,
        preferred_last_name=None,
        username=None,
        email=None,
        primary_org_id=None,
        roles=(student,),
        seats=(),
    )
    return PersonTold(district_id=NORTH, person_id=person.person_id, person=person, cause=CAUSE)
