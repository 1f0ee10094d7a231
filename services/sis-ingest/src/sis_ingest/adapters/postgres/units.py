"""Transactions of this service: one connection, the stores on it, the events it will tell.

Maps the driver's "not there" to `Retriable`; everything else passes as it is.
"""

from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from roster_common.contracts.envelope import Event
from roster_common.errors import Retriable
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.sealing import Seal
from sis_ingest.adapters.postgres.authority import PostgresAuthority
from sis_ingest.adapters.postgres.budget import PostgresBudget
from sis_ingest.adapters.postgres.crosswalk import PostgresCrosswalk
from sis_ingest.adapters.postgres.deliveries import PostgresDeliveries
from sis_ingest.adapters.postgres.guarded_rows import PostgresGuardedRows
from sis_ingest.adapters.postgres.holds import PostgresHolds
from sis_ingest.adapters.postgres.long_steps import LongSteps
from sis_ingest.adapters.postgres.pairs import PostgresPairs
from sis_ingest.adapters.postgres.pulls import PostgresPulls
from sis_ingest.adapters.postgres.raw import PostgresRaw
from sis_ingest.adapters.postgres.records import PostgresRecords
from sis_ingest.adapters.postgres.replays import PostgresReplays
from sis_ingest.adapters.postgres.runs import PostgresRuns
from sis_ingest.adapters.postgres.staging import PostgresStaging
from sis_ingest.adapters.postgres.suggestions import PostgresSuggestions
from sis_ingest.adapters.postgres.taken_files import PostgresTakenFiles
from sis_ingest.adapters.postgres.voices import PostgresVoices
from sis_ingest.domain.events import DomainEvent
from sis_ingest.domain.runs import STEP_TIMEOUT_S
from sis_ingest.ports.units import Work

# Custom plans: a generic one made while a table was small would scan it whole as it grows.
_LOCK: Final = """
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
       pg_advisory_xact_lock(hashtextextended('sis_ingest/' || $1, 0))
"""

# A snapshot's collections are compared whole: in memory, with plans for the tables as they are.
_COMPARE: Final = """
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('work_mem', '64MB', true)
"""

_BEFORE_COMMIT: Final = {
    "accept": "ingest.accept.before_commit",
    "apply": "ingest.apply.before_commit",
    "release": "ingest.release.before_commit",
    "flip": "ingest.flip.before_commit",
    "purge": "ingest.purge.before_commit",
}
_AFTER_COMMIT: Final = {
    "accept": "ingest.accept.after_commit",
    "apply": "ingest.apply.after_commit",
    "store_snapshot": "ingest.snapshot.recorded",
    "link": "ingest.snapshot.linked",
    "snapshot_batch": "ingest.snapshot.after_batch",
    "pull_page": "ingest.pull.after_page",
    "pull_again": "ingest.pull.restart_saved",
    "hand_over": "ingest.pull.after_hand_over",
    "release": "ingest.release.after_batch",
    "replay": "ingest.replay.after_batch",
    "flip": "ingest.flip.after_batch",
}

_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
    DBAPIError,
    PoolTimeout,
    OSError,
)


class DatabaseAway(Retriable):
    """The database did not answer in time, or is not there."""


class PostgresUnit:
    """One open transaction with this service's stores on it."""

    def __init__(
        self,
        tx: Tx,
        driver: asyncpg.Connection,
        to_event: Callable[[DomainEvent], Event],
        *,
        seal: Seal,
        supplements: Set[str],
        step_timeout_s: float,
    ) -> None:
        steps = LongSteps(driver, within_s=step_timeout_s)
        self._tx = tx
        self._driver = driver
        self._to_event = to_event
        self.deliveries = PostgresDeliveries(driver, seal)
        self.records = PostgresRecords(driver)
        self.crosswalk = PostgresCrosswalk(driver)
        self.voices = PostgresVoices(driver, steps)
        self.pairs = PostgresPairs(driver, steps)
        self.suggestions = PostgresSuggestions(driver)
        self.authority = PostgresAuthority(driver, supplements=supplements)
        self.budget = PostgresBudget(driver)
        self.holds = PostgresHolds(driver)
        self.raw = PostgresRaw(driver)
        self.replays = PostgresReplays(driver, seal)
        self.runs = PostgresRuns(driver)
        self.pulls = PostgresPulls(driver)
        self.staging = PostgresStaging(driver, steps)
        self.guarded = PostgresGuardedRows(driver, steps)
        self.taken = PostgresTakenFiles(driver)

    async def lock_district(self, district_id: str) -> None:
        """See `ports.Unit`; the lock ends with the transaction."""
        await self._driver.execute(_LOCK, district_id)

    def emit(self, event: DomainEvent) -> None:
        """See `ports.Unit`."""
        self._tx.emit(self._to_event(event))


class PostgresUnits:
    """`ports.Units` on one service database; `supplements` are ids of sources that only add.

    `step_timeout_s` bounds a statement over all staged rows of a run.
    """

    def __init__(
        self,
        database: Database,
        to_event: Callable[[DomainEvent], Event],
        seal: Seal,
        *,
        supplements: Set[str] = frozenset(),
        step_timeout_s: float = STEP_TIMEOUT_S,
    ) -> None:
        self._database = database
        self._to_event = to_event
        self._seal = seal
        self._supplements = supplements
        self._step_timeout_s = step_timeout_s

    @asynccontextmanager
    async def begin(self, work: Work) -> AsyncIterator[PostgresUnit]:
        """Open a transaction. Raises `DatabaseAway`, also when the block met it."""
        try:
            async with self._database.begin() as tx:
                driver = await tx.driver()
                if work in ("stage", "link"):
                    await driver.execute(_COMPARE)
                yield PostgresUnit(
                    tx,
                    driver,
                    self._to_event,
                    seal=self._seal,
                    supplements=self._supplements,
                    step_timeout_s=self._step_timeout_s,
                )
                if work in _BEFORE_COMMIT:
                    failpoint(_BEFORE_COMMIT[work])
        except _AWAY as error:
            raise DatabaseAway("database") from error
        if work in _AFTER_COMMIT:
            failpoint(_AFTER_COMMIT[work])
