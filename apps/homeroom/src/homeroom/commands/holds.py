"""`homeroom holds`: removals and additions that sis-ingest keeps from the truth until approved."""

from homeroom.commands.decisions import Kind, commands_for
from homeroom.operator_client import Page
from homeroom.services import SIS_INGEST


def _would(hold: Page) -> str:
    flip = hold.get("flip")
    if flip is None:
        return f"{hold['operation']} {hold['count']:,} {hold['entity']} records"
    where, source = flip["school"] or "the district", flip["to"] or "no source of its own"
    order = (
        "tell all records again"
        if flip["retells"]
        else f"give {where} to {source} instead of {flip['from'] or 'nobody'}"
    )
    # Removals first: what is lost is what a person must see.
    counts = "; ".join(
        f"{action} {', '.join(f'{count:,} {entity}' for entity, count in of_action.items())}"
        for action, of_action in sorted(flip["counts"].items(), reverse=True)
    )
    return f"{order}: {counts}"


HOLDS = Kind(
    noun="hold", service=SIS_INGEST, where="source", items="/holds/{hold_id}/items", would=_would
)
app = commands_for(HOLDS, "What a source wants removed or added and a guard stopped.")
