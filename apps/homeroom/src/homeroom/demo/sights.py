"""Where outsiders look in the story: the roster, one school's view, directory, help desk."""

from collections.abc import Callable

from homeroom.demo.cast import Cast
from homeroom.demo.chapter import (
    DIRECTORY,
    DIRECTORY_EVERY_S,
    GROUPS,
    HELP_DESK,
    NAMES,
    ONE_SCHOOL,
    ROSTER,
    Chapter,
    Sight,
)
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.directory import Account
from homeroom.installation import DISTRICT
from homeroom.operator_client import Page
from homeroom.services import DIRECTORY_SYNC, ROSTER_PUBLISHER, TICKET_EVENTS

COLLECTION = "device_collection"
MOST = 1_000

Look = Callable[[], object]
# A collection, its key in the answer, and an id.
Spot = tuple[str, str, str]


def roster(what: str, seen: Look) -> Sight:
    return Sight(place=ROSTER, owner=ROSTER_PUBLISHER.name, what=what, seen=seen)


def names(what: str, seen: Look) -> Sight:
    return Sight(place=NAMES, owner=ROSTER_PUBLISHER.name, what=what, seen=seen)


def directory(what: str, seen: Look) -> Sight:
    return Sight(
        place=DIRECTORY,
        owner=DIRECTORY_SYNC.name,
        what=what,
        seen=seen,
        every_s=DIRECTORY_EVERY_S,
    )


def help_desk(what: str, seen: Look) -> Sight:
    return Sight(place=HELP_DESK, owner=TICKET_EVENTS.name, what=what, seen=seen)


def one_school_sees(outside: Outside, cast: Cast, person_id: str, *, status: str) -> list[Sight]:
    """What the vendor of one school is served for the person; nothing where it has no school.

    Who leaves its school, or the district, leaves its view as a tombstone.
    """
    if cast.home != outside.one_school_org:
        why = f"no student of {outside.one_school_org} plays"
        outside.leave_out(f"{ONE_SCHOOL}: {person_id}", why)
        return []
    return [
        Sight(
            place=ONE_SCHOOL,
            owner=ROSTER_PUBLISHER.name,
            what=f"the user as {status}",
            seen=lambda: _status(outside.one_school.one("users", "user", person_id)) == status,
        )
    ]


def group_has(
    told: Chapter, cast: Cast, person_id: str, class_id: str, *, lost: str | None = None
) -> list[Sight]:
    """The person's account is a member of the class's group, and no longer of the one `lost`."""
    outside = told.outside
    if class_id not in cast.in_force:
        outside.leave_out(f"{GROUPS}: {person_id}", f"class {class_id} is not held today")
        return []
    account_id = ""

    def seen() -> bool:
        """Whether the account is in the class's group, and out of `lost`'s; keeps the group's id.

        May raise `httpx2.HTTPError`; asks the directory for the account only until it is there.
        """
        nonlocal account_id
        if not account_id:
            account = outside.directory.by_external_id(person_id)
            account_id = account["id"] if account else ""
        group = outside.directory.group(_key(class_id))
        if not account_id or group is None or account_id not in _members(group):
            return False
        told.ids["group"] = group["id"]
        left = None if lost is None else outside.directory.group(_key(lost))
        return left is None or account_id not in _members(left)

    what = "in the class's group" if lost is None else "in the new class's group, not in the old"
    return [
        Sight(
            place=GROUPS,
            owner=DIRECTORY_SYNC.name,
            what=what,
            seen=seen,
            every_s=DIRECTORY_EVERY_S,
        )
    ]


def device_collected(told: Chapter, person_id: str) -> list[Sight]:
    """A ticket to collect the leaver's device, and the device's own history says it too."""
    outside = told.outside
    if person_id not in outside.holders:
        outside.leave_out(f"{HELP_DESK}: {person_id}", "this person holds no device")
        return []

    def seen() -> bool:
        """Whether a ticket and the device's history ask for it; keeps both ids when they do.

        May raise `httpx2.HTTPError`.
        """
        tickets = collections(outside, person_id)
        assets = assets_of(outside, person_id)
        if not tickets or not any(asset["collection"] for asset in assets):
            return False
        asset = next(asset for asset in assets if asset["collection"])
        history = outside.operator.read(TICKET_EVENTS, f"/assets/{asset['assetId']}")["history"]
        told.ids.update(asset=asset["assetId"], ticket=tickets[0]["ticketId"])
        return any(event["what"] == "collectionrequested" for event in history)

    return [help_desk("a ticket and an asset event to collect the device", seen)]


def assets_of(outside: Outside, person_id: str) -> list[Page]:
    found: list[Page] = outside.operator.read(
        TICKET_EVENTS, "/assets", district=DISTRICT, holder=person_id
    )["assets"]
    return found


def collections(outside: Outside, person_id: str | None = None) -> list[Page]:
    """Return the tickets that ask for a leaver's device, of one person or of all."""
    return [
        ticket
        for ticket in tickets(outside)
        if ticket["category"] == COLLECTION and person_id in {None, ticket["requester"]}
    ]


def tickets(outside: Outside, **query: str) -> list[Page]:
    """Return the district's tickets; a story has few."""
    page = outside.operator.read(TICKET_EVENTS, "/tickets", district=DISTRICT, limit=MOST, **query)
    found: list[Page] = page["tickets"]
    return found


def is_active(outside: Outside, spot: Spot) -> bool:
    return _status(outside.vendor.one(*spot)) == "active"


def is_gone(outside: Outside, spot: Spot) -> bool:
    """Whether the vendor is served a tombstone: a deletion that stays visible."""
    return _status(outside.vendor.one(*spot)) == "tobedeleted"


def _status(found: dict[str, object] | None) -> str | None:
    return None if found is None else str(found["status"])


def _key(class_id: str) -> str:
    return f"k12:class:{class_id}"


def _members(group: Account) -> set[str]:
    return {str(member["value"]) for member in group.get("members") or ()}
