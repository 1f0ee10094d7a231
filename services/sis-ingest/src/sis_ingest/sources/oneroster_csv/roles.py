"""Roles of 1.2 by user, on disk: users.csv and roles.csv come in any order, and as long as a state.

A nameless database in the folder for temporary files, gone with its connection or the process.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

Role: TypeAlias = Mapping[str, Any]

_TABLE: Final = "CREATE TABLE role (user TEXT, said BLOB)"
_PUT: Final = "INSERT INTO role VALUES (?, ?)"
# After the rows: sorted once, in little memory.
_INDEX: Final = "CREATE INDEX role_of ON role (user)"
_OF: Final = "SELECT said FROM role WHERE user = ? ORDER BY rowid"


class RolesByUser:
    """All roles of one package. One thread at a time, not always the same one."""

    def __init__(self, roles: Iterable[tuple[str, Role]]) -> None:
        """Takes in (user id, role) until `roles` ends; what that raises passes as it is."""
        self._rows = sqlite3.connect("", check_same_thread=False)
        try:
            self._rows.execute(_TABLE)
            self._rows.executemany(_PUT, ((user, orjson.dumps(role)) for user, role in roles))
            self._rows.execute(_INDEX)
            self._rows.commit()
        except BaseException:
            self.close()
            raise

    def of(self, user: str) -> Sequence[Role]:
        """A user's roles in the order of the file."""
        return [orjson.loads(said) for (said,) in self._rows.execute(_OF, (user,))]

    def close(self) -> None:
        """Gives the disk back. May run twice."""
        self._rows.close()
