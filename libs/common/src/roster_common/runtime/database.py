"""One service's way to PostgreSQL: a pool, transactions that carry events, a wake-up call.

Knows no domain. An event leaves a service only through `Tx.emit`, so it stands on the log if and
only if the change it tells of is committed (docs/adr/0004).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import asyncpg
import orjson
import structlog
from asyncpg.transaction import Transaction
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from roster_common.contracts.codec import encode
from roster_common.contracts.envelope import Event, Outgoing
from roster_common.errors import Retriable
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.log.append import append
from roster_common.runtime.log.wake import Wake
from roster_common.runtime.metrics import metric

logger = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 10.0
# The server ends a statement first; this ends the wait for a server that says nothing at all.
_ANSWER_GRACE_S = 5.0
_ROLLBACK_S = 5.0

# Trouble with the server itself rather than with what was asked of it.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg says of a connection whose server hung up just before it was used.
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    OSError,
    TimeoutError,
)


class DatabaseAway(Retriable):
    """The database is not there, not answering in time, or asks to try again."""


async def _roll_back(driver: asyncpg.Connection, transaction: Transaction) -> None:
    """Roll back within a bound; a connection that does not answer is cut, which rolls back too."""
    if driver.is_closed():
        return
    try:
        async with asyncio.timeout(_ROLLBACK_S):
            await transaction.rollback()
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        driver.terminate()


async def _no_reset(_connection: object) -> None:
    """Readers of the raw pool leave no state behind; the default reset costs a round trip."""


class Tx:
    """One open transaction. Made by `Database.begin`; never kept beyond its block.

    `connection` takes SQLAlchemy Core statements; `driver` is the same connection raw, for COPY
    and unnest. Both run inside the one transaction.
    """

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection) -> None:
        self.connection = connection
        self._driver = driver
        self._staged: list[Outgoing] = []
        self._afterwards: list[Callable[[], None]] = []

    async def driver(self) -> asyncpg.Connection:
        """The raw asyncpg connection. JSON goes in as text and comes out parsed; cast to text in
        the statement where it is only passed on.
        """
        return self._driver

    def emit(self, event: Event) -> None:
        """Stage `event`; it is appended to the log as the last statement before the commit."""
        self._staged.append(encode(event))

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` once the commit is through, and never after a rollback. It must not fail and
        not block: a wake-up of a loop in this process, nothing that anything rests on.
        """
        self._afterwards.append(call)

    def committed(self) -> None:
        """Run what `after_commit` was given. Called by `Database.begin` only."""
        for call in self._afterwards:
            call()

    async def flush_events(self) -> Counter[str]:
        """Append what is staged and count it by topic. Called by `Database.begin` only:
        the log's counter rows stay locked from here to the commit.
        """
        await append(self._driver, self._staged)
        return Counter(outgoing.topic for outgoing in self._staged)


class Database:
    """A pool for one service. Connects on first use; `close` gives everything back."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        pool_size: int = 10,
        statement_timeout_s: float = 30.0,
        lock_timeout_s: float = 4.0,
    ) -> None:
        self.url = url
        self._settings = {
            "application_name": name,
            "statement_timeout": str(int(statement_timeout_s * 1000)),
            "lock_timeout": str(int(lock_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "60000",
            "jit": "off",
        }
        # AUTOCOMMIT keeps SQLAlchemy from opening transactions of its own: `begin` opens the one
        # that Core statements and the raw driver share.
        self.engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            isolation_level="AUTOCOMMIT",
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT_S,
            pool_pre_ping=False,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={
                "server_settings": self._settings,
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": statement_timeout_s + _ANSWER_GRACE_S,
            },
        )
        self._pool_size = pool_size
        self._command_timeout_s = statement_timeout_s + _ANSWER_GRACE_S
        self._pool: asyncpg.Pool | None = None
        self._pool_lock = asyncio.Lock()
        self.wake = Wake(url)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """As `_begin`, with a database that is away told as `DatabaseAway` (`Retriable`)."""
        try:
            async with self._begin() as tx:
                yield tx
        except (PoolTimeout, *AWAY) as error:
            raise DatabaseAway("the database did not answer") from error
        except DBAPIError as error:
            if error.orig is not None and isinstance(error.orig.__cause__, AWAY):
                raise DatabaseAway("the database did not answer") from error
            raise

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[Tx]:
        """Open a transaction: commits when the block ends well, rolls back when it raises.

        Events staged with `emit` are appended last, so the counter rows of the log are locked for
        one statement and one commit only. A cancelled block rolls back.
        """
        async with self.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            if driver is None:
                raise RuntimeError("no driver connection behind the pool's connection")
            transaction = driver.transaction()
            await transaction.start()
            tx = Tx(connection, driver)
            try:
                yield tx
                topics = await tx.flush_events()
                failpoint("log.append.before_commit")
            except BaseException:
                await _roll_back(driver, transaction)
                raise
            await transaction.commit()
        tx.committed()
        if topics:
            failpoint("log.append.after_commit")
            self.poke(topics)
            for topic, events in topics.items():
                metric("log_append_events_total").labels(topic=topic).inc(events)

    def poke(self, topics: Iterable[str]) -> None:
        """Tell readers, here and in other processes, that `topics` have news. Best effort."""
        self.wake.poke(topics)

    async def pool(self) -> asyncpg.Pool:
        """Raw pool for hot reads: every statement is a transaction of its own."""
        async with self._pool_lock:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self.url,
                    min_size=1,
                    max_size=self._pool_size,
                    server_settings=self._settings,
                    timeout=CONNECT_TIMEOUT_S,
                    command_timeout=self._command_timeout_s,
                    reset=_no_reset,
                )
            return self._pool

    async def ping(self) -> str:
        """Return the server's version; raises what the driver raises when it is not there."""
        async with self.engine.connect() as connection:
            result = await connection.exec_driver_sql("SHOW server_version")
            return str(result.scalar_one())

    async def close(self) -> None:
        """Close pools and the wake-up connection, within a few seconds."""
        await self.wake.close()
        if self._pool is not None:
            try:
                async with asyncio.timeout(5):
                    await self._pool.close()
            except TimeoutError:
                self._pool.terminate()
        await self.engine.dispose()
