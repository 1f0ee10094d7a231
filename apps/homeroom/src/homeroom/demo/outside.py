"""Everybody outside, together: what the story of the demo is told with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from homeroom.demo.outsiders.directory import Account, Directory
from homeroom.demo.outsiders.office import Office
from homeroom.demo.outsiders.sender import Sender
from homeroom.demo.outsiders.vendor import Vendor
from homeroom.errors import CommandFailed
from homeroom.journal import Journal
from homeroom.operator_client import OperatorClient
from homeroom.services import Service
from roster_common.ports import Clock, IdSource


@dataclass(slots=True, kw_only=True)
class Expected:
    """What must be true at the end, by the ids that the story itself gave and took."""

    active: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)
    devices_to_collect: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Outside:
    """The neighbours of one installation. `one_school` is a vendor that may see one school only.

    `office` is the clerk of an emulated SIS, where there is one instead of `sis`.
    `check` raises when waiting is in vain. `found` gathers ids and counts for the evidence, never
    a name. `loaded_at` is the moment that the first file speaks of. `pages_born` says when each
    service's readiness page was made, at the earliest, and `known_pages` which pages it offers.
    """

    journal: Journal
    vendor: Vendor
    one_school: Vendor
    directory: Directory
    sis: Sender
    desk: Sender
    operator: OperatorClient
    clock: Clock
    ids: IdSource
    check: Callable[[], None]
    directory_writes: Callable[[], int]
    one_school_org: str
    office: Office | None = None
    found: dict[str, Any] = field(default_factory=dict)
    expected: Expected = field(default_factory=Expected)
    holders: set[str] = field(default_factory=set)
    loaded_at: datetime | None = None
    pages_born: dict[str, float] = field(default_factory=dict)
    known_pages: dict[tuple[str, str], bool] = field(default_factory=dict)

    def account_of(self, person_id: str) -> Account:
        """Return the one account of a person; raises CommandFailed if there is none."""
        account = self.directory.by_external_id(person_id)
        if account is None:
            raise CommandFailed(f"no account carries the id {person_id}")
        return account

    def offers(self, service: Service, path: str) -> bool:
        """Return whether a service has this page: what it has not is left out of the story."""
        key = (service.name, path)
        if key not in self.known_pages:
            self.known_pages[key] = self.operator.offers(service, path)
        return self.known_pages[key]

    def leave_out(self, what: str, why: str) -> None:
        """Say, and keep for the evidence, that a part of the story is not told, and why."""
        self.found.setdefault("leftOut", []).append({"what": what, "why": why})
        self.journal.display.say(f"             left out: {what}: {why}")

    def close(self) -> None:
        """Give all connections back."""
        for vendor in (self.vendor, self.one_school):
            vendor.close()
        for neighbour in (self.directory, self.sis, self.desk, self.operator):
            neighbour.close()
        if self.office is not None:
            self.office.close()
