"""Makes the neighbours of a running box: the only room that knows their published secrets."""

from homeroom.box import Box
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.directory import Directory
from homeroom.demo.outsiders.sis import Sis
from homeroom.demo.outsiders.vendor import Vendor
from homeroom.installation import SOURCE, VENDOR, VENDOR_SECRET, WEBHOOK_SECRET
from homeroom.layout import local_url
from homeroom.operator_client import OperatorClient
from homeroom.services import ROSTER_PUBLISHER, SIS_INGEST
from roster_common.runtime.clock import SystemClock, Uuid7Ids


def outside_of(box: Box) -> Outside:
    """Return the neighbours of `box`, which runs; close them before it stops."""
    installation = box.started()
    return Outside(
        journal=box.journal,
        vendor=Vendor(
            url=local_url(box.ports.of(ROSTER_PUBLISHER.offset)),
            client_id=VENDOR,
            secret=VENDOR_SECRET,
        ),
        directory=Directory(url=installation.scim_url, token=installation.scim_token),
        sis=Sis(
            url=local_url(box.ports.of(SIS_INGEST.offset)), source=SOURCE, secret=WEBHOOK_SECRET
        ),
        operator=OperatorClient(ports=box.ports, token=box.operator_token),
        clock=SystemClock(),
        ids=Uuid7Ids(),
        check=box.check,
    )
