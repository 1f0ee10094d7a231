"""The closed list of our own processes on one box: how each is started and what it owns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process. `offset` counts from the first port; `schema` is None where it owns none."""

    name: str
    module: str
    offset: int
    schema: str | None


SIS_INGEST = Service(name="sis-ingest", module="sis_ingest", offset=0, schema="sis_ingest")
ROSTER_PUBLISHER = Service(
    name="roster-publisher", module="roster_publisher", offset=1, schema="roster_publisher"
)
DIRECTORY_SYNC = Service(
    name="directory-sync", module="directory_sync", offset=2, schema="directory_sync"
)
TICKET_EVENTS = Service(
    name="ticket-events", module="ticket_events", offset=3, schema="ticket_events"
)
# Relays the log to Kafka and drops what is older than its retention.
LOG_KEEPER = Service(name="log-keeper", module="roster_common.runtime.log", offset=4, schema=None)

SERVICES = (SIS_INGEST, ROSTER_PUBLISHER, DIRECTORY_SYNC, TICKET_EVENTS)
PROCESSES = (LOG_KEEPER, *SERVICES)


def service_named(name: str) -> Service | None:
    """Return the service of that name, written with a dash or an underscore."""
    return next((s for s in SERVICES if s.name == name.replace("_", "-")), None)
