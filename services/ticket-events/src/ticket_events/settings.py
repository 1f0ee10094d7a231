"""What this service is told from outside. Read once, by __main__ and bootstrap only."""

from typing import Literal

from roster_common.runtime.settings import ServiceSettings

SCHEMA = "ticket_events"


class Settings(ServiceSettings):
    """Environment, prefix HOMEROOM_; nothing of its own yet."""

    service: Literal["ticket-events"] = "ticket-events"
    port: int = 8104
