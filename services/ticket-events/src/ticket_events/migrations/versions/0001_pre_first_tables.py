"""First tables: persons without names, and device requests.

Pre: safe while older code runs (nothing exists before it).
"""

from alembic import op

from roster_common.runtime.log.positions import create_position_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_PERSON = """
    CREATE TABLE ticket_events.person (
        district_id text NOT NULL, person_id text NOT NULL,
        active boolean NOT NULL, role text, school_id text, changed_at timestamptz NOT NULL,
        PRIMARY KEY (district_id, person_id)
    )
"""
_DEVICE_REQUEST = """
    CREATE TABLE ticket_events.device_request (
        district_id text NOT NULL, request_id text NOT NULL, person_id text NOT NULL,
        school_id text, role text NOT NULL, reason text NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'fulfilled', 'cancelled')),
        correlation_id text NOT NULL, causation_id text NOT NULL, origin text NOT NULL,
        requested_at timestamptz NOT NULL, ended_at timestamptz,
        PRIMARY KEY (district_id, request_id),
        CHECK ((state = 'open') = (ended_at IS NULL))
    )
"""
_INDEXES = (
    """
    CREATE UNIQUE INDEX device_request_cause ON ticket_events.device_request
        (district_id, causation_id)
    """,
    """
    CREATE UNIQUE INDEX device_request_open ON ticket_events.device_request
        (district_id, person_id) WHERE state = 'open'
    """,
    """
    CREATE INDEX device_request_newest ON ticket_events.device_request
        (district_id, requested_at DESC, request_id DESC)
    """,
)


def upgrade() -> None:
    """Create the tables of this service."""
    for statement in (_PERSON, _DEVICE_REQUEST, *_INDEXES):
        op.execute(statement)
    create_position_table(op, schema="ticket_events")
