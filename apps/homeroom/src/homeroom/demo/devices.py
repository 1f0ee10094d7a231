"""The district's devices: a table as an inventory exports it, registered before the chapters."""

import csv
import io
from collections.abc import Iterable, Sequence

from homeroom.demo.cast import Cast
from homeroom.demo.outside import Outside
from homeroom.errors import CommandFailed
from homeroom.installation import DISTRICT
from homeroom.services import TICKET_EVENTS

COLUMNS = (
    "assetTag", "serial", "model", "status", "holder", "site", "fundingSource", "purchasedOn",
)  # fmt: skip
ONE_IN = 5


def register_devices(outside: Outside, cast: Cast) -> None:
    """Give a device to every fifth student, the one who will move and the one who will leave."""
    with outside.journal.step("register devices", owner=TICKET_EVENTS.name) as step:
        students = list(outside.vendor.ids("students"))
        holders = {*students[::ONE_IN], cast.leaver.person_id, cast.school_mover.person_id}
        outside.holders |= holders
        report = outside.operator.register_devices(DISTRICT, table(sorted(holders), cast.home))
        registered = outside.operator.read(TICKET_EVENTS, "/assets", district=DISTRICT, limit=1)[
            "total"
        ]
        if report["refused"] or report["unknownHolders"] or registered != len(holders):
            raise CommandFailed(
                f"{registered} devices for {len(holders)} holders, {report['refused']} refused, "
                f"{report['unknownHolders']} with a holder nobody knows"
            )
        outside.found["devices"] = {
            "registered": registered, "correlationId": report["correlationId"],
        }  # fmt: skip
        step.detail = f"{registered:,} by CSV, each with its student"


def table(holders: Sequence[str], site: str) -> bytes:
    """Return the CSV of one device for each holder."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(_rows(holders, site))
    return text.getvalue().encode()


def _rows(holders: Iterable[str], site: str) -> Iterable[tuple[str, ...]]:
    for number, holder in enumerate(holders, start=1):
        serial = f"5CD{number:07d}"
        model = "Chromebook 11"
        yield f"A-{number:05d}", serial, model, "assigned", holder, site, "e-rate", "2025-08-01"
