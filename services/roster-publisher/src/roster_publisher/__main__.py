"""`python -m roster_publisher [serve|migrate]`."""

import asyncio
import sys

from roster_common.errors import Fatal
from roster_common.runtime.migrations import migrate, pending
from roster_common.runtime.service import serve
from roster_common.runtime.settings import load
from roster_publisher.bootstrap import MIGRATIONS, SCHEMA, build
from roster_publisher.settings import Settings


def main(arguments: list[str]) -> int:
    """Serve, or bring the schema up to date. Returns the exit status."""
    role = arguments[0] if arguments else "serve"
    try:
        settings = load(Settings)
        url = settings.database_url.get_secret_value()
        if role == "migrate":
            asyncio.run(migrate(url, schema=SCHEMA, script_package=MIGRATIONS))
            return 0
        if role != "serve":
            raise Fatal("the roles are serve and migrate")
        missing = asyncio.run(pending(url, schema=SCHEMA, script_package=MIGRATIONS))
        if missing:
            raise Fatal(f"migrations wait ({', '.join(missing)}): run roster_publisher migrate")
        serve(build(settings), settings)
    except Fatal as error:
        sys.stderr.write(f"roster-publisher: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
