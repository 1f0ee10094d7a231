"""Single statements against a server, for starters and fixtures that are not async themselves.

Every call opens its own connection in a thread of its own, so it also works where an event loop
already runs in the calling thread.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

import asyncpg

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 60.0

UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


def server_version(url: str) -> str:
    """The release the server names itself, such as `15.18`; raises one of `UNREACHABLE`."""
    answer = _blocking(_value(url, "SHOW server_version"))
    return str(answer).split()[0]


def execute(url: str, *statements: str) -> None:
    """Runs the statements one by one, each in its own transaction. Not repeatable by itself."""
    _blocking(_execute(url, statements))


def exists(url: str, *, database: str) -> bool:
    """Whether the server behind `url` has a database of that name."""
    query = "SELECT count(*) FROM pg_database WHERE datname = $1"
    return _blocking(_value(url, query, database)) == 1


def schemas(url: str) -> set[str]:
    """The names of all schemas of the database."""
    names = _blocking(_value(url, "SELECT array_agg(nspname::text) FROM pg_namespace"))
    return set(cast("list[str]", names))


def with_database(url: str, database: str) -> str:
    """The same server and login, another database; query parameters are kept."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def plain(url: str) -> str:
    """The URL as asyncpg takes it: SQLAlchemy's `+driver` suffix is removed."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"


async def _value(url: str, query: str, *arguments: object) -> object:
    connection = await asyncpg.connect(plain(url), timeout=CONNECT_TIMEOUT_S)
    try:
        value: object = await connection.fetchval(query, *arguments, timeout=STATEMENT_TIMEOUT_S)
        return value
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _execute(url: str, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(plain(url), timeout=CONNECT_TIMEOUT_S)
    try:
        for statement in statements:
            await connection.execute(statement, timeout=STATEMENT_TIMEOUT_S)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


def _blocking(work: Coroutine[object, object, T]) -> T:
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()
