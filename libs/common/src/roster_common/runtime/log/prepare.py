"""Makes a database ready to carry the log: migrations, counters, days. May run any time."""

from roster_common.runtime.clock import SystemClock
from roster_common.runtime.database import Database
from roster_common.runtime.log.topics import ensure_topics
from roster_common.runtime.migrations import migrate

SCHEMA = "log"
SCRIPT_PACKAGE = "roster_common.log_migrations"


async def prepare_log(database_url: str) -> None:
    """Bring schema `log` up to date and declare every topic of the registry. Commits."""
    await migrate(database_url, schema=SCHEMA, script_package=SCRIPT_PACKAGE)
    database = Database(database_url, name="homeroom-migrate", pool_size=1)
    try:
        async with database.begin() as tx:
            await ensure_topics(await tx.driver(), now=SystemClock().now())
    finally:
        await database.close()
