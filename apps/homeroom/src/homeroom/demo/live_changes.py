"""The second part of the story: single changes by webhook, followed to every copy.

Times are counted from the moment the first webhook was sent to the moment an outsider sees it.
"""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from homeroom.demo import changes
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.directory import Account
from homeroom.demo.outsiders.sis import Accepted
from homeroom.errors import CommandFailed
from homeroom.services import DIRECTORY_SYNC, ROSTER_PUBLISHER, SIS_INGEST, TICKET_EVENTS
from homeroom.waiting import wait_for

CHANGE_WITHIN_S = 30.0
ROSTER_POLL_S = 0.01
DIRECTORY_POLL_S = 0.05


def enrol_new_student(outside: Outside) -> None:
    """A student nobody knew takes a seat in a class; everybody downstream hears of it."""
    lesson: dict[str, Any] = outside.vendor.some("classes", query="limit=1")[0]
    school_id = str(lesson["school"]["sourcedId"])
    number = outside.ids.new_id()[-6:]
    person_id, place_id = f"student-new-{number}", f"enroll-new-{number}"
    accounts = outside.directory.total()
    student = changes.new_student(person_id, school_id=school_id, grade=lesson["grades"][0])
    place = changes.enrollment(
        place_id, person_id=person_id, class_id=lesson["sourcedId"], school_id=school_id
    )

    began = perf_counter()
    receipts = [
        _say(outside, "users.upserted", student, "new student"),
        _say(outside, "enrollments.upserted", place, "new enrolment"),
    ]
    found = _note(outside, "newStudent", person_id, receipts)
    _in_roster(outside, "new student", ("users", "user", person_id), began)
    _in_roster(outside, "new enrolment", ("enrollments", "enrollment", place_id), began)
    found["accountId"] = _new_account(outside, person_id, accounts, began)["id"]
    found["deviceRequestId"] = _device_request(outside, person_id, began)


def change_a_name(outside: Outside) -> None:
    """A student has another family name from now on."""
    student = outside.vendor.some("students", query="limit=1&offset=1")[0]
    person_id = str(student["sourcedId"])
    account = outside.account_of(person_id)
    name = f"Renamed-{outside.ids.new_id()[-6:]}"

    began = perf_counter()
    change = changes.renamed(student, family_name=name)
    receipt = _say(outside, "users.upserted", change, "changed name")
    _note(outside, "changedName", person_id, [receipt])["accountId"] = account["id"]
    _see(
        outside,
        ("changed name in the roster", ROSTER_PUBLISHER.name),
        lambda: _family_name(outside, person_id) == name,
        began,
    )
    _see(
        outside,
        ("changed name in the directory", DIRECTORY_SYNC.name),
        lambda: outside.directory.account(account["id"])["name"]["familyName"] == name,
        began,
        every_s=DIRECTORY_POLL_S,
    )


def _say(outside: Outside, kind: str, data: Mapping[str, object], label: str) -> Accepted:
    with outside.journal.step(f"{label}: webhook accepted", owner=SIS_INGEST.name) as step:
        receipt = outside.sis.send(
            kind, data, message_id=f"msg_{outside.ids.new_id()}", at=outside.clock.now()
        )
        step.detail = f"correlation {receipt.correlation_id}"
    return receipt


def _note(
    outside: Outside, change: str, person_id: str, receipts: list[Accepted]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "personId": person_id,
        "correlationIds": [receipt.correlation_id for receipt in receipts],
        "deliveryIds": [receipt.delivery_id for receipt in receipts],
    }
    outside.found[change] = found
    return found


def _see(
    outside: Outside,
    label_and_owner: tuple[str, str],
    probe: Callable[[], object],
    began: float,
    *,
    every_s: float = ROSTER_POLL_S,
) -> None:
    """Wait until `probe` answers something true; the step's time counts from `began`."""
    label, owner = label_and_owner
    with outside.journal.step(label, owner=owner) as step:
        wait_for(
            label,
            lambda: probe() or None,
            within_s=CHANGE_WITHIN_S,
            every_s=every_s,
            check=outside.check,
        )
        step.ms = (perf_counter() - began) * 1000
        step.detail = "since the webhook was sent"


def _in_roster(outside: Outside, label: str, place: tuple[str, str, str], began: float) -> None:
    collection, key, sourced_id = place
    _see(
        outside,
        (f"{label} in the roster", ROSTER_PUBLISHER.name),
        lambda: outside.vendor.one(collection, key, sourced_id),
        began,
    )


def _new_account(outside: Outside, person_id: str, before: int, began: float) -> Account:
    """Watch the number of accounts, which is cheap, and then look whose account came."""
    _see(
        outside,
        ("new student in the directory", DIRECTORY_SYNC.name),
        lambda: outside.directory.total() > before,
        began,
        every_s=DIRECTORY_POLL_S,
    )
    return outside.account_of(person_id)


def _device_request(outside: Outside, person_id: str, began: float) -> str:
    _see(
        outside,
        ("device request for the new student", TICKET_EVENTS.name),
        lambda: outside.operator.device_requests(person_id=person_id),
        began,
    )
    requests = outside.operator.device_requests(person_id=person_id)
    if len(requests) != 1:
        raise CommandFailed(f"{len(requests)} device requests for one new student")
    return str(requests[0]["requestId"])


def _family_name(outside: Outside, person_id: str) -> object:
    user = outside.vendor.one("users", "user", person_id)
    return None if user is None else user["familyName"]
