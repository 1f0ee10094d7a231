"""Fresh databases on the session's server: created from a template, dropped at the end.

A template is prepared once per session (migrations, reference rows) and copied per test, which
takes tens of milliseconds.
"""

import os
import re
from collections.abc import Callable

from homeroom.parts import postgres_admin

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


class Databases:
    """Hands out database URLs. Not for use from two threads at once."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        # Workers that run beside each other may have been given one server.
        self._worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
        self._templates: dict[str, str] = {}
        self._count = 0

    def template(self, name: str, *, prepare: Callable[[str], None]) -> str:
        """The name to give to `fresh`; `prepare(url)` fills the template on the first call.

        `prepare` must leave no connection open: PostgreSQL copies only a template without users.
        """
        if name not in self._templates:
            database = f"{self._worker}_template_{name}"
            url = self._create(database, template="template0")
            prepare(url)
            self._templates[name] = database
        return self._templates[name]

    def fresh(self, *, template: str = "template0") -> str:
        """The URL of a new database nobody else uses."""
        self._count += 1
        return self._create(f"{self._worker}_test_{self._count}", template=template)

    def drop(self, url: str) -> None:
        """Drops a database and ends what is still connected to it."""
        database = url.partition("?")[0].rpartition("/")[2]
        self._run(f"DROP DATABASE IF EXISTS {_safe(database)} WITH (FORCE)")

    def drop_templates(self) -> None:
        """Drops what `template` made; for a server that outlives the session."""
        for database in self._templates.values():
            self._run(f"DROP DATABASE IF EXISTS {_safe(database)} WITH (FORCE)")

    def _create(self, database: str, *, template: str) -> str:
        # A server given from outside may still hold what a killed run left behind.
        name = _safe(database)
        self._run(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
            f"CREATE DATABASE {name} TEMPLATE {_safe(template)} STRATEGY file_copy",
        )
        return postgres_admin.with_database(self._server_url, database)

    def _run(self, *statements: str) -> None:
        admin = postgres_admin.with_database(self._server_url, "postgres")
        postgres_admin.execute(admin, *statements)


def _safe(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(name)
    return name
