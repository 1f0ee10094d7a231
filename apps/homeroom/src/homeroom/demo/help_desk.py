"""The help desk's own chapter: a technician writes a ticket, and it is counted here."""

from datetime import timedelta

from homeroom.demo import sights
from homeroom.demo.cast import Cast
from homeroom.demo.chapter import Voice, chapter
from homeroom.demo.outside import Outside
from homeroom.installation import DESK, DISTRICT
from homeroom.operator_client import Page
from homeroom.services import TICKET_EVENTS


def write_a_ticket(outside: Outside, cast: Cast) -> None:
    """Somebody's laptop is broken: the desk says so by webhook, and the pages count one more."""
    person_id = cast.school_mover.person_id
    device = sights.assets_of(outside, person_id)[0]
    ticket_id = f"T-{outside.ids.new_id()[-6:]}"
    ticket = {
        "id": ticket_id,
        "status": "new",
        "priority": "normal",
        "category": "hardware",
        "site": cast.other,
        "requester": person_id,
        "device": device["assetTag"],
    }
    created = _created(outside)
    voice = Voice(send=outside.desk.send, door=TICKET_EVENTS, logged="ticket.created")
    with chapter(outside, "ticket", "The help desk writes a ticket", voice=voice) as told:
        told.ids.update(person=person_id, asset=device["assetId"], ticket=ticket_id)
        told.say([("ticket.created", ticket)])
        told.watch(
            sights.help_desk("the ticket, open", lambda: _open(outside, person_id, ticket_id))
        )
        told.demand("one more ticket is counted", _created(outside) == created + 1)


def _open(outside: Outside, person_id: str, ticket_id: str) -> bool:
    return any(
        (ticket["desk"], ticket["ticketId"], ticket["requester"]) == (DESK, ticket_id, person_id)
        for ticket in sights.tickets(outside, state="open")
    )


def _created(outside: Outside) -> int:
    """How many tickets were created from yesterday to tomorrow, by the page of measures."""
    today = outside.clock.now().date()
    day = timedelta(days=1)
    page: Page = outside.operator.read(
        TICKET_EVENTS,
        "/tickets/metrics",
        **{"from": str(today - day), "to": str(today + 2 * day), "district": DISTRICT},
    )
    return int(page["tickets"]["created"])
