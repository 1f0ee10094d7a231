"""Whoever plans a group sees every account of its people, however the transactions cross."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from directory_sync.adapters.postgres.units import PostgresUnits
from directory_sync.domain.account import ActualAccount
from directory_sync.domain.fact import Cause
from directory_sync.domain.group import GroupKind, Place, class_group
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.membership import Doubt, GroupWrite
from directory_sync.domain.work import AccountWrite
from roster_common.runtime.database import Database

NOW = datetime(2026, 9, 1, tzinfo=UTC)
NORTH, TARGET = DistrictId("north"), TargetId("t")
P1 = PersonId("p1")
CAUSE = Cause(correlation_id="why", causation_id=None, origin="webhook")
ALGEBRA = class_group("c1")
SEAT = Place(name=ALGEBRA, number=0, role="student", begin="", end="", school_name="")
ACCOUNT = ActualAccount(
    account_id="a1", external_id="p1", username="ada", email=None, enabled=True, attributes={}
)


@pytest.fixture
async def units(directory_database_url):
    """Transactions of the real store; no event may come of them."""
    database = Database(directory_database_url, name="test")
    yield PostgresUnits(database, _no_event)
    await database.close()


async def test_a_plan_made_while_an_account_is_written_waits_for_it(units):
    """The account's writer cannot see the seat yet, and the planner could not see the account."""
    async with units.begin() as writing:
        await _write_account(writing)
        async with units.begin() as telling:
            await telling.groups.put_places(NORTH, {P1: frozenset({SEAT})}, now=NOW)
            await telling.group_marks.set(NORTH, [TARGET], {ALGEBRA: CAUSE}, now=NOW)
        planning = asyncio.create_task(_claim(units))
        await asyncio.wait({planning}, timeout=1)

    (claimed,) = await planning

    assert claimed.accounts == {P1: "a1"}


async def test_an_account_written_while_a_plan_is_carried_out_has_it_made_again(units):
    async with units.begin() as telling:
        await telling.groups.put_places(NORTH, {P1: frozenset({SEAT})}, now=NOW)
        await telling.group_marks.set(NORTH, [TARGET], {ALGEBRA: CAUSE}, now=NOW)
    (first,) = await _claim(units)
    async with units.begin() as writing:
        await _write_account(writing)
    async with units.begin() as recording:
        done = {ALGEBRA.key: first.generation}
        await recording.group_marks.finish(NORTH, TARGET, done, now=NOW)

    (second,) = await _claim(units)

    assert (first.accounts, second.accounts) == ({}, {P1: "a1"})


async def test_a_group_that_stood_there_is_read_once_the_load_has_found_whose_accounts_are_in_it(
    units,
):
    loading = Cause(correlation_id="why", causation_id=None, origin="firstload")
    found = GroupWrite(
        name=ALGEBRA,
        group_id="g1",
        display_name="Algebra",
        doubt=Doubt.FOUND,
        held=0,
        error_code=None,
        cause=loading,
    )
    async with units.begin() as unit:
        await unit.groups.write(NORTH, TARGET, [found], now=NOW)
        await unit.marks.set(NORTH, [TARGET], {P1: loading}, now=NOW)
        await unit.group_marks.set(NORTH, [TARGET], {ALGEBRA: CAUSE}, now=NOW)

    before = await _claim(units)
    async with units.begin() as unit:
        await unit.marks.finish(NORTH, TARGET, {P1: 1}, now=NOW)
    after = await _claim(units)

    assert ([one.name for one in before], [one.name for one in after]) == ([], [ALGEBRA])


def _no_event(fact):
    raise AssertionError(fact)


async def _write_account(unit):
    write = AccountWrite(
        person_id=P1, names=None, actual=ACCOUNT, asked_at=None, error_code=None, cause=CAUSE
    )
    await unit.accounts.write(NORTH, TARGET, [write], now=NOW)
    await unit.group_marks.set_for_people(
        NORTH, TARGET, {P1: CAUSE}, kinds=list(GroupKind), now=NOW
    )


async def _claim(units):
    async with units.begin() as unit:
        return await unit.group_marks.claim(
            NORTH,
            TARGET,
            limit=10,
            token="token",
            now=NOW,
            lease_until=NOW + timedelta(seconds=10),
        )
