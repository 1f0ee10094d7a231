"""Everybody outside, together: what the story of the demo is told with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from homeroom.demo.outsiders.directory import Account, Directory
from homeroom.demo.outsiders.sis import Sis
from homeroom.demo.outsiders.vendor import Vendor
from homeroom.errors import CommandFailed
from homeroom.journal import Journal
from homeroom.operator_client import OperatorClient
from roster_common.ports import Clock, IdSource


@dataclass(slots=True, kw_only=True)
class Outside:
    """The neighbours of one installation.

    `check` raises when one of our processes has died. `found` gathers ids and counts for the
    evidence, never a name.
    """

    journal: Journal
    vendor: Vendor
    directory: Directory
    sis: Sis
    operator: OperatorClient
    clock: Clock
    ids: IdSource
    check: Callable[[], None]
    found: dict[str, Any] = field(default_factory=dict)

    def account_of(self, person_id: str) -> Account:
        """Return the one account of a person; raises CommandFailed if there is none."""
        account = self.directory.by_external_id(person_id)
        if account is None:
            raise CommandFailed(f"no account carries the id {person_id}")
        return account

    def close(self) -> None:
        """Give all connections back."""
        for neighbour in (self.vendor, self.directory, self.sis, self.operator):
            neighbour.close()
