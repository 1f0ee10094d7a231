"""Makes the neighbours of a running box: the only room that knows their published secrets."""

from homeroom.box import Box
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.directory import Directory, writes
from homeroom.demo.outsiders.office import Office
from homeroom.demo.outsiders.sender import Sender
from homeroom.demo.outsiders.vendor import Vendor
from homeroom.errors import CommandFailed
from homeroom.installation import (
    ALL_SCOPES,
    DESK,
    DESK_SECRET,
    ONE_SCHOOL,
    ONE_SCHOOL_SECRET,
    SOURCE,
    VENDOR,
    VENDOR_SECRET,
    WEBHOOK_SECRET,
)
from homeroom.layout import local_url
from homeroom.operator_client import OperatorClient
from homeroom.patience import Patience
from homeroom.services import ROSTER_PUBLISHER, SIS_INGEST, TICKET_EVENTS
from roster_common.runtime.clock import SystemClock, Uuid7Ids

# Longer than a killed service needs to be back, several times over.
PATIENCE_S = 60.0


def outside_of(box: Box) -> Outside:
    """Return the neighbours of `box`, which runs; close them before it stops."""
    installation = box.started()
    patience = Patience(within_s=PATIENCE_S, check=box.check)
    publisher = local_url(box.ports.of(ROSTER_PUBLISHER.offset))
    ingest = local_url(box.ports.of(SIS_INGEST.offset))
    tickets = local_url(box.ports.of(TICKET_EVENTS.offset))
    if box.scim is None:
        raise CommandFailed("no directory is running")
    log = box.scim.child.log
    return Outside(
        journal=box.journal,
        vendor=Vendor(url=publisher, client_id=VENDOR, secret=VENDOR_SECRET, patience=patience),
        one_school=Vendor(
            url=publisher,
            client_id=ONE_SCHOOL,
            secret=ONE_SCHOOL_SECRET,
            scopes=ALL_SCOPES[:1],
            patience=patience,
        ),
        directory=Directory(
            url=installation.scim_url, token=installation.scim_token, patience=patience
        ),
        sis=Sender(url=ingest, name=SOURCE, secret=WEBHOOK_SECRET, about="data", patience=patience),
        desk=Sender(url=tickets, name=DESK, secret=DESK_SECRET, about="ticket", patience=patience),
        operator=OperatorClient(ports=box.ports, token=box.operator_token, patience=patience),
        clock=SystemClock(),
        ids=Uuid7Ids(),
        check=box.check,
        directory_writes=lambda: writes(log),
        one_school_org=installation.one_school_org,
        office=None if installation.emulated is None else Office(emulated=installation.emulated),
    )
