"""The command line of a service: `python -m <service> [serve|migrate]`. One copy for all."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from fastapi import FastAPI

from roster_common.errors import Fatal, Retriable
from roster_common.runtime import migration_gate
from roster_common.runtime.migrations import migrate
from roster_common.runtime.service import serve
from roster_common.runtime.settings import ServiceSettings, load

S = TypeVar("S", bound=ServiceSettings)

ROLES = ("serve", "migrate")


def run_service(
    arguments: Sequence[str],
    *,
    settings: type[S],
    build: Callable[[S], FastAPI],
    schema: str,
) -> int:
    """Serve (the default), or bring `schema` up to date; the package has the schema's name.

    Returns the exit code: 2 for a wrong command line, 1 for a refusal, which is named on standard
    error. Serving is refused while migrations are pending; a database that is away is waited for.
    """
    role = arguments[0] if arguments else "serve"
    if role not in ROLES or len(arguments) > 1:
        sys.stderr.write(f"usage: python -m {schema} [{'|'.join(ROLES)}]\n")
        return 2
    migrations = f"{schema}.migrations"
    try:
        found = load(settings)
        url = found.database_url.get_secret_value()
        if role == "migrate":
            asyncio.run(migrate(url, schema=schema, script_package=migrations))
            return 0
        known = migration_gate.is_open(url, schema=schema)
        app = build(found)
        if not known:
            migration_gate.keep_asking(app.state.runtime, schema=schema)
        serve(app, found)
    except (Fatal, Retriable) as error:
        sys.stderr.write(f"{schema}: {error}\n")
        return 1
    return 0
