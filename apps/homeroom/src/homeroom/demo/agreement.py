"""The end of the story: roster, directory and help desk hold what the story says, and no more.

`differences` is pure. Everything is read page by page from outside.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeroom.demo import memberships, sights
from homeroom.demo.outside import Expected, Outside
from homeroom.demo.settling import settle
from homeroom.errors import CommandFailed

SHOWN: Final = 5
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


def read(outside: Outside) -> Seen:
    """Read every user as a vendor, every account in the directory, and the help desk's lists."""
    rows = _rows(outside)
    accounts = list(outside.directory.accounts())
    person_of = {str(one["id"]): str(one.get("externalId")) for one in accounts}
    return Seen(
        roster={str(row["sourcedId"]): str(row["status"]) for row in rows.users},
        accounts=[(str(one.get("externalId")), one["active"] is True) for one in accounts],
        device_requests=[str(one["personId"]) for one in outside.operator.device_requests()],
        collections=[str(one["requester"]) for one in sights.collections(outside)],
        enrolled=memberships.in_roster(rows, today=outside.clock.now().date()),
        members=memberships.in_directory(outside.directory.groups(), person_of),
    )


def _rows(outside: Outside) -> memberships.Rows:
    return memberships.Rows(
        orgs=list(outside.vendor.rows("orgs")),
        users=list(outside.vendor.rows("users")),
        enrollments=list(outside.vendor.rows("enrollments")),
        classes=list(outside.vendor.rows("classes")),
        sessions=list(outside.vendor.rows("academicSessions")),
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
