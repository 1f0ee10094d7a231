"""`homeroom holds`: removals and additions that sis-ingest keeps from the truth until approved."""

from homeroom.commands.decisions import Kind, commands_for
from homeroom.operator_client import Page
from homeroom.services import SIS_INGEST


def _would(hold: Page) -> str:
    return f"{hold['operation']} {hold['count']:,} {hold['entity']} records"


HOLDS = Kind(
    noun="hold", service=SIS_INGEST, where="source", items="/holds/{hold_id}/items", would=_would
)
app = commands_for(HOLDS, "What a source wants removed or added and a guard stopped.")
