"""A database given by address: an installation here starts only in what is empty or its own.

Every start of `up` or `demo` begins from nothing, so a database that somebody works with must
never be taken for one of an earlier run. A schema without tables is the mark.
"""

from homeroom.errors import CommandFailed
from homeroom.parts import postgres_admin
from homeroom.services import SERVICES
from roster_common.runtime.log.prepare import SCHEMA as LOG_SCHEMA

MARK = "homeroom_demo"
OURS = (LOG_SCHEMA, *(s.schema for s in SERVICES if s.schema is not None))


def take_over(url: str) -> None:
    """Mark the database and throw away what an earlier run left in it. Commits; may run twice.

    Raises CommandFailed where it holds schemas of Homeroom without the mark: they are not ours.
    """
    found = postgres_admin.schemas(url)
    left = [schema for schema in OURS if schema in found]
    if left and MARK not in found:
        raise CommandFailed(
            "the database holds an installation of Homeroom that is none of this command's, and is "
            "left as it is; unset HOMEROOM_DATABASE_URL or name an empty database"
        )
    postgres_admin.execute(
        url,
        f"CREATE SCHEMA IF NOT EXISTS {MARK}",
        *(f"DROP SCHEMA {schema} CASCADE" for schema in left),
    )


def unmark(url: str) -> None:
    """Take the mark away: the database is somebody's own from now on. May run twice."""
    postgres_admin.execute(url, f"DROP SCHEMA IF EXISTS {MARK}")
