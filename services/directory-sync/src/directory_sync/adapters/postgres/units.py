"""Transactions for the use cases, and the fail points around what they record."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

from directory_sync.adapters.postgres.accounts import PostgresAccounts
from directory_sync.adapters.postgres.group_marks import PostgresGroupMarks
from directory_sync.adapters.postgres.groups import PostgresGroups
from directory_sync.adapters.postgres.marks import PostgresMarks
from directory_sync.adapters.postgres.outlook import PostgresOutlook
from directory_sync.adapters.postgres.people import PostgresPeople
from directory_sync.adapters.postgres.plans import PostgresPlans
from directory_sync.adapters.postgres.readings import PostgresReadings
from directory_sync.adapters.postgres.steps import add_steps
from directory_sync.adapters.postgres.targets import PostgresTargets
from directory_sync.domain.fact import Fact
from roster_common.contracts.envelope import Event
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.failpoints import failpoint

ToEvent = Callable[[Fact], Event]


class PostgresUnit:
    """One transaction, in the words of ports.py."""

    def __init__(self, tx: Tx, driver: asyncpg.Connection, to_event: ToEvent) -> None:
        self.people = PostgresPeople(driver)
        self.marks = PostgresMarks(driver)
        self.accounts = PostgresAccounts(driver)
        self.outlook = PostgresOutlook(driver)
        self.readings = PostgresReadings(driver)
        self.plans = PostgresPlans(driver)
        self.targets = PostgresTargets(driver)
        self.groups = PostgresGroups(driver)
        self.group_marks = PostgresGroupMarks(driver)
        self._tx = tx
        self._driver = driver
        self._to_event = to_event
        self._facts: list[Fact] = []

    def emit(self, fact: Fact) -> None:
        """Tell others, if and only if this transaction commits."""
        self._facts.append(fact)
        self._tx.emit(self._to_event(fact))

    async def keep_steps(self) -> None:
        """Keep what was emitted for the trace; called last, by who opened the transaction."""
        await add_steps(self._driver, self._facts)


class PostgresUnits:
    """Opens transactions. Each commits when its block ends well."""

    def __init__(self, database: Database, to_event: ToEvent) -> None:
        self._database = database
        self._to_event = to_event

    async def join(self, tx: Tx) -> PostgresUnit:
        """The unit around somebody else's transaction, who will commit it; emits nothing."""
        return PostgresUnit(tx, await tx.driver(), self._to_event)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresUnit]:
        """For reading and planning."""
        async with self._database.begin() as tx:
            unit = await self.join(tx)
            yield unit
            await unit.keep_steps()

    @asynccontextmanager
    async def deciding(self) -> AsyncIterator[PostgresUnit]:
        """For what an operator has decided."""
        async with self.begin() as unit:
            yield unit
            failpoint("directory.decide.before_commit")
        failpoint("directory.decide.after_commit")

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[PostgresUnit]:
        """For what an outside system has answered."""
        async with self.begin() as unit:
            yield unit
            failpoint("directory.record.before_commit")
        failpoint("directory.record.after_commit")
