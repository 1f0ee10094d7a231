"""${message}

Stage "pre": runs while the previous release still serves, so only expand (add a table, a column
with a default or nullable, an index). Stage "post": runs when no older release is left, so it may
contract. Indexes on filled tables go CONCURRENTLY inside `op.get_context().autocommit_block()`.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say what this adds or removes, and why."""
    ${upgrades if upgrades else "op.execute(\"\"\"SELECT 1\"\"\")"}
