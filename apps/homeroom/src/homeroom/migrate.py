"""Brings every schema of one database to the present: the log's first, then each service's.

The runner and its locks are libs/common's; here stands only which packages there are.
"""

import asyncio
from collections.abc import Callable

from roster_common.runtime import migrations

from homeroom.services import SERVICES

LOG_SCHEMA = "log"
LOG_PACKAGE = "roster_common.log_migrations"


def packages() -> tuple[tuple[str, str], ...]:
    """Return (schema, migrations package) in the order in which they must run."""
    own = ((s.schema, f"{s.module}.migrations") for s in SERVICES if s.schema is not None)
    return ((LOG_SCHEMA, LOG_PACKAGE), *own)


def migrate_all(database_url: str, *, on_schema: Callable[[str], None]) -> None:
    """Apply all pending migrations, each schema in its own transactions. May run twice.

    Raises what the runner raises; the database stays usable at the last migration that ended well.
    """
    for schema, package in packages():
        on_schema(schema)
        asyncio.run(migrations.migrate(database_url, schema=schema, script_package=package))
