"""`homeroom plans`: changes that directory-sync keeps from a directory until approved."""

from homeroom.commands.decisions import Kind, commands_for
from homeroom.operator_client import Page
from homeroom.services import DIRECTORY_SYNC


def _would(plan: Page) -> str:
    wanted = ", ".join(f"{action} {count:,}" for action, count in plan["counts"].items() if count)
    first = "first connection: " if plan["kind"] == "first_connection" else ""
    return f"{first}{wanted or 'nothing'}"


PLANS = Kind(
    noun="plan", service=DIRECTORY_SYNC, where="target", items="/plans/{plan_id}", would=_would
)
app = commands_for(PLANS, "What would change in a directory and waits for a person.")
