"""Brings every schema of one database to the present: the log's first, then each service's.

The runner and its locks are libs/common's; here stands only which packages there are.
"""

import asyncio
from collections.abc import Callable

from homeroom.services import SERVICES
from roster_common.runtime.log.kafka_topics import declare_topics
from roster_common.runtime.log.prepare import SCHEMA as LOG_SCHEMA
from roster_common.runtime.log.prepare import prepare_log
from roster_common.runtime.migrations import migrate


def migrate_all(database_url: str, *, on_schema: Callable[[str], None]) -> None:
    """Apply all pending migrations and declare the log's topics. Commits; may run twice.

    Raises what the runner raises; the database stays usable at the last migration that ended well.
    """
    asyncio.run(_migrate_all(database_url, on_schema))


def declare_on_kafka(bootstrap: str, *, prefix: str = "", replication: int = 1) -> None:
    """Make the log's topics on a broker, before the first consumer asks for them. May run twice.

    A consumer that comes before its topics would not look again for minutes. `prefix` stands before
    every name; `replication` counts only for topics that are not there yet.
    """
    asyncio.run(declare_topics(bootstrap, prefix=prefix, replication=replication))


async def _migrate_all(database_url: str, on_schema: Callable[[str], None]) -> None:
    on_schema(LOG_SCHEMA)
    await prepare_log(database_url)
    for service in SERVICES:
        if service.schema is not None:
            on_schema(service.schema)
            package = f"{service.module}.migrations"
            await migrate(database_url, schema=service.schema, script_package=package)
