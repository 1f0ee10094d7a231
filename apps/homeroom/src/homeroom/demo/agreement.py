"""The end of the story: roster, directory and help desk hold what the story says, and no more.

`differences` is pure. Everything is read page by page from outside.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from homeroom.demo import memberships, sights
from homeroom.demo.outside import Expected, Outside
from homeroom.demo.settling import settle
from homeroom.display import Advance
from homeroom.errors import CommandFailed

Row = TypeVar("Row")

SHOWN: Final = 5
AT_ONCE: Final = 1_000
COLLECTIONS: Final = ("orgs", "users", "enrollments", "classes", "academicSessions")
NAME: Final = "roster, directory and help desk agree"
COUNTED: Final[Mapping[str, str]] = {
    "memberships": "members of groups",
    "deviceRequests": "device requests",
    "collections": "devices to collect",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What outsiders read. `accounts` are (our person's id, enabled), one for each account.

    `roster` gives a status by id; `enrolled` is whom the roster puts into which group, `members`
    whom the directory has there.
    """

    roster: Mapping[str, str]
    accounts: Collection[tuple[str, bool]]
    device_requests: Collection[str]
    collections: Collection[str]
    enrolled: Collection[str] = ()
    members: Collection[str] = ()


def differences(expected: Expected, seen: Seen) -> list[str]:
    """Say what is not as it should be, in ids; empty is agreement."""
    active = {one for one, status in seen.roster.items() if status == "active"}
    deleted = {one for one, status in seen.roster.items() if status == "tobedeleted"}
    enabled = [one for one, on in seen.accounts if on]
    disabled = [one for one, on in seen.accounts if not on]
    pairs: list[tuple[str, Iterable[str], Iterable[str]]] = [
        ("active in the roster", expected.active, active),
        ("to be deleted in the roster", expected.withdrawn, deleted),
        ("enabled account", expected.active, enabled),
        ("disabled account", expected.withdrawn, disabled),
        ("device request", expected.joined, seen.device_requests),
        ("device to collect", expected.devices_to_collect, seen.collections),
        ("member of a group", seen.enrolled, seen.members),
    ]
    return [line for what, wanted, have in pairs for line in _compare(what, wanted, have)]


def agree(outside: Outside) -> None:
    """Wait until everything has been worked through, then compare all of it once."""
    with outside.journal.step(NAME) as step:
        settle(outside)
        seen = read(outside)
        wrong = differences(outside.expected, seen)
        if wrong:
            raise CommandFailed("; ".join(wrong))
        accounts = Counter(on for _person, on in seen.accounts)
        outside.found["agreement"] = {
            "active": len(outside.expected.active),
            "withdrawn": len(outside.expected.withdrawn),
            "accounts": {"enabled": accounts[True], "disabled": accounts[False]},
            "deviceRequests": len(seen.device_requests),
            "collections": len(seen.collections),
            "memberships": len(seen.members),
        }
        step.detail = _words(outside.found["agreement"])


@dataclass(slots=True, kw_only=True)
class Reading:
    """Counts what was read of the `total` rows there are to read, page by page, for a bar."""

    advance: Advance
    total: int
    done: int = 0

    def all(self, rows: Iterable[Row]) -> list[Row]:
        """Return all rows; every thousand of them, and the end, moves the bar.

        The total grows with rows that come meanwhile.
        """
        found: list[Row] = []
        for row in rows:
            found.append(row)
            if len(found) % AT_ONCE == 0:
                self._move(AT_ONCE)
        self._move(len(found) % AT_ONCE)
        return found

    def _move(self, more: int) -> None:
        self.done += more
        self.total = max(self.total, self.done)
        self.advance(self.done, self.total)


def read(outside: Outside) -> Seen:
    """Read every user as a vendor, every account in the directory, and the help desk's lists.

    Shows a bar over all rows. May raise `httpx2.HTTPError`, or CommandFailed by the vendor.
    """
    with outside.journal.display.bar("rows read") as advance:
        total = sum(map(outside.vendor.total, COLLECTIONS))
        total += sum(map(outside.directory.total, ("/Users", "/Groups")))
        return _read(outside, Reading(advance=advance, total=total))


def _read(outside: Outside, reading: Reading) -> Seen:
    rows = memberships.Rows(
        orgs=reading.all(outside.vendor.rows("orgs")),
        users=reading.all(outside.vendor.rows("users")),
        enrollments=reading.all(outside.vendor.rows("enrollments")),
        classes=reading.all(outside.vendor.rows("classes")),
        sessions=reading.all(outside.vendor.rows("academicSessions")),
    )
    accounts = reading.all(outside.directory.accounts())
    person_of = {str(one["id"]): str(one.get("externalId")) for one in accounts}
    return Seen(
        roster={str(row["sourcedId"]): str(row["status"]) for row in rows.users},
        accounts=[(str(one.get("externalId")), one["active"] is True) for one in accounts],
        device_requests=[str(one["personId"]) for one in outside.operator.device_requests()],
        collections=[str(one["requester"]) for one in sights.collections(outside)],
        enrolled=memberships.in_roster(rows, today=outside.clock.now().date()),
        members=memberships.in_directory(reading.all(outside.directory.groups()), person_of),
    )


def _words(found: Mapping[str, Any]) -> str:
    accounts = found["accounts"]
    parts = [f"accounts {accounts['enabled']:,} enabled, {accounts['disabled']:,} disabled"]
    parts += [f"{words} {found[key]:,}" for key, words in COUNTED.items()]
    return "; ".join(parts)


def _compare(what: str, wanted: Iterable[str], have: Iterable[str]) -> list[str]:
    want, got = Counter(wanted), Counter(have)
    found = []
    for word, ids in (("lacks", want - got), ("has too many", got - want)):
        if ids:
            few = ", ".join(sorted(ids)[:SHOWN])
            found.append(f"{what}: {word} {ids.total()} ({few})")
    return found
