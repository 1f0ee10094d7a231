"""A service works on no schema that lacks migrations, and starts without its database all the same.

Asked once before the start; a database that is away then is asked in a loop, and until it answers
the service says so in `/readyz`.
"""

import asyncio

from roster_common.errors import Fatal
from roster_common.runtime.database import DatabaseAway
from roster_common.runtime.health import Check
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.migrations import pending
from roster_common.runtime.service import Runtime

NAME = "migrations"


async def refuse_pending(database_url: str, *, schema: str) -> None:
    """Return when `schema` has every migration of its package. Reads only.

    Raises Fatal for pending ones and where the database refuses us, DatabaseAway where it is away.
    """
    if await pending(database_url, schema=schema, script_package=f"{schema}.migrations"):
        raise Fatal(f"migrations are pending; run: python -m {schema} migrate")


def is_open(database_url: str, *, schema: str) -> bool:
    """Ask before the start: True when nothing is pending, False when the database is away.

    Raises Fatal as `refuse_pending` does.
    """
    try:
        asyncio.run(refuse_pending(database_url, schema=schema))
    except DatabaseAway:
        return False
    return True


def keep_asking(runtime: Runtime, *, schema: str) -> None:
    """Ask until the database answers; pending migrations then end the process."""
    known = False

    async def ask(_stopping: Stopping) -> None:
        nonlocal known
        await refuse_pending(runtime.database.url, schema=schema)
        known = True

    async def check() -> Check:
        return Check(ok=known, detail={} if known else {"error": "unknown"})

    runtime.loop(NAME, ask)
    runtime.health.add(NAME, check)
