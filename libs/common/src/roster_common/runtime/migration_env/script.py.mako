"""${message}

Pre: must suit the code that is already running; post: only once no older code runs.
A rename is add, dual write, backfill, drop, over separate releases (docs/adr/0003).
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say here why."""
