"""`python -m directory_sync [serve|migrate]`: picks the role of this process."""

import asyncio
import sys

from directory_sync.bootstrap import build
from directory_sync.settings import SCHEMA, Settings
from roster_common.errors import Fatal
from roster_common.runtime.migrations import migrate, pending
from roster_common.runtime.service import serve
from roster_common.runtime.settings import load

_MIGRATIONS = "directory_sync.migrations"
_USAGE = "usage: python -m directory_sync [serve|migrate]"


def main(arguments: list[str]) -> int:
    """Run a role; returns the exit code."""
    role = arguments[0] if arguments else "serve"
    if role not in ("serve", "migrate") or len(arguments) > 1:
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    try:
        settings = load(Settings)
        url = settings.database_url.get_secret_value()
        if role == "migrate":
            asyncio.run(migrate(url, schema=SCHEMA, script_package=_MIGRATIONS))
            return 0
        waiting = asyncio.run(pending(url, schema=SCHEMA, script_package=_MIGRATIONS))
    except Fatal as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if waiting:
        sys.stderr.write(
            f"{SCHEMA}: migrations are pending; run: python -m directory_sync migrate\n"
        )
        return 1
    serve(build(settings), settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
