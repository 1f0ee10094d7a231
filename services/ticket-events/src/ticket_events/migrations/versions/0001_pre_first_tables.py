"""First tables: people without names, devices, requests, collections, tickets, the inbox.

Pre: safe while older code runs (nothing exists before it).
"""

from alembic import op

from roster_common.runtime.log.positions import create_position_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATUSES = (
    "'in_stock', 'assigned', 'checked_out', 'in_repair', 'damaged', 'lost', 'stolen', 'retired'"
)


def upgrade() -> None:
    """Create every table; the district stands first in each key."""
    for tables in (_people, _devices, _requests, _collections, _tickets, _inbox):
        tables()
    create_position_table(op, schema="ticket_events")


def _people() -> None:
    op.execute("""
        CREATE TABLE ticket_events.person (
            district_id text NOT NULL, person_id text NOT NULL,
            active boolean NOT NULL, role text, school_id text, changed_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, person_id)
        )
    """)
    # Outlives the person's row: who is erased may still have a device.
    op.execute("""
        CREATE TABLE ticket_events.presence (
            district_id text NOT NULL, person_id text NOT NULL, leaving_id text,
            correlation_id text NOT NULL, causation_id text, origin text NOT NULL,
            since timestamptz NOT NULL, merged_into text,
            PRIMARY KEY (district_id, person_id)
        )
    """)


def _devices() -> None:
    # Serial numbers may change hands within one file, so they are compared at the commit.
    op.execute(f"""
        CREATE TABLE ticket_events.device (
            district_id text NOT NULL, device_id text NOT NULL, asset_tag text NOT NULL,
            serial text, model text, status text NOT NULL CHECK (status IN ({_STATUSES})),
            holder_id text, site_id text, funding_source text, purchased_on date,
            correlation_id text NOT NULL, changed_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, device_id),
            CONSTRAINT device_tag UNIQUE (district_id, asset_tag),
            CONSTRAINT device_serial UNIQUE (district_id, serial) DEFERRABLE INITIALLY DEFERRED,
            CHECK (holder_id IS NULL OR status NOT IN ('in_stock', 'retired'))
        )
    """)
    op.execute("""
        CREATE INDEX device_holder ON ticket_events.device (district_id, holder_id)
        WHERE holder_id IS NOT NULL
    """)
    op.execute("""
        CREATE TABLE ticket_events.asset_fact (
            district_id text NOT NULL, fact_id bigint GENERATED ALWAYS AS IDENTITY,
            device_id text NOT NULL, happening text NOT NULL, occurred_at timestamptz NOT NULL,
            holder_id text, site_id text, status text NOT NULL, ticket_id text,
            correlation_id text NOT NULL, origin text NOT NULL,
            PRIMARY KEY (district_id, fact_id)
        )
    """)
    op.execute("""
        CREATE INDEX asset_fact_device ON ticket_events.asset_fact
            (district_id, device_id, fact_id)
    """)
    op.execute("""
        CREATE INDEX asset_fact_time ON ticket_events.asset_fact (district_id, occurred_at)
    """)
    op.execute("""
        CREATE INDEX asset_fact_correlation ON ticket_events.asset_fact (correlation_id)
    """)
    op.execute("""
        CREATE TABLE ticket_events.inventory_file (
            district_id text NOT NULL, file_id text NOT NULL, correlation_id text NOT NULL,
            received_at timestamptz NOT NULL, read integer NOT NULL, new integer NOT NULL,
            changed integer NOT NULL, unchanged integer NOT NULL, refused integer NOT NULL,
            PRIMARY KEY (district_id, file_id)
        )
    """)
    op.execute("""
        CREATE INDEX inventory_file_correlation
        ON ticket_events.inventory_file (correlation_id)
    """)


def _requests() -> None:
    op.execute("""
        CREATE TABLE ticket_events.device_request (
            district_id text NOT NULL, request_id text NOT NULL, person_id text NOT NULL,
            school_id text, role text NOT NULL, reason text NOT NULL,
            state text NOT NULL CHECK (state IN ('open', 'fulfilled', 'cancelled')),
            correlation_id text NOT NULL, causation_id text NOT NULL, origin text NOT NULL,
            requested_at timestamptz NOT NULL, ended_at timestamptz, ended_correlation_id text,
            PRIMARY KEY (district_id, request_id),
            CHECK ((state = 'open') = (ended_at IS NULL)),
            CHECK ((state = 'open') = (ended_correlation_id IS NULL))
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX device_request_cause ON ticket_events.device_request
            (district_id, causation_id)
    """)
    op.execute("""
        CREATE UNIQUE INDEX device_request_open ON ticket_events.device_request
            (district_id, person_id) WHERE state = 'open'
    """)
    op.execute("""
        CREATE INDEX device_request_newest ON ticket_events.device_request
            (district_id, requested_at DESC, request_id DESC)
    """)
    op.execute("""
        CREATE INDEX device_request_correlation ON ticket_events.device_request (correlation_id)
    """)
    op.execute("""
        CREATE INDEX device_request_ended ON ticket_events.device_request (ended_correlation_id)
        WHERE ended_correlation_id IS NOT NULL
    """)


def _collections() -> None:
    op.execute("""
        CREATE TABLE ticket_events.collection (
            district_id text NOT NULL, collection_id text NOT NULL,
            person_id text NOT NULL, device_id text NOT NULL, leaving_id text NOT NULL,
            state text NOT NULL CHECK (state IN ('open', 'done', 'cancelled')),
            site_id text, turn integer NOT NULL,
            correlation_id text NOT NULL, causation_id text, origin text NOT NULL,
            requested_at timestamptz NOT NULL, changed_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, collection_id),
            CONSTRAINT collection_once UNIQUE (district_id, person_id, device_id, leaving_id)
        )
    """)
    op.execute("""
        CREATE INDEX collection_device ON ticket_events.collection (district_id, device_id)
    """)
    op.execute("""
        CREATE UNIQUE INDEX collection_open ON ticket_events.collection (district_id, device_id)
        WHERE state = 'open'
    """)
    op.execute("""
        CREATE INDEX collection_correlation ON ticket_events.collection (correlation_id)
    """)


def _tickets() -> None:
    traits = """
        status text, priority text, category text, site_id text, requester text, device text,
        group_id text, assignee_id text, channel text
    """
    op.execute(f"""
        CREATE TABLE ticket_events.ticket_fact (
            district_id text NOT NULL, desk text NOT NULL, ticket_id text NOT NULL,
            fact_key text NOT NULL, happening text NOT NULL, occurred_at timestamptz NOT NULL,
            sequence bigint, {traits}, public boolean, by_agent boolean, into_ticket_id text,
            correlation_id text NOT NULL, causation_id text, origin text NOT NULL,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, desk, ticket_id, fact_key)
        )
    """)
    op.execute("""
        CREATE INDEX ticket_fact_correlation ON ticket_events.ticket_fact (correlation_id)
    """)
    op.execute("""
        CREATE INDEX ticket_fact_time ON ticket_events.ticket_fact
            (district_id, happening, occurred_at)
    """)
    op.execute(f"""
        CREATE TABLE ticket_events.ticket (
            district_id text NOT NULL, desk text NOT NULL, ticket_id text NOT NULL,
            state text NOT NULL CHECK (state IN ('open', 'solved', 'closed', 'merged', 'deleted')),
            {traits}, correlation_id text NOT NULL, changed_at timestamptz NOT NULL,
            created_at timestamptz, first_reply_at timestamptz, first_solved_at timestamptz,
            last_solved_at timestamptz, ended_at timestamptz, reopens integer NOT NULL,
            PRIMARY KEY (district_id, desk, ticket_id)
        )
    """)
    op.execute("""
        CREATE INDEX ticket_newest ON ticket_events.ticket
            (district_id, changed_at DESC, desk, ticket_id)
    """)
    # What was told last of each kind and round.
    op.execute("""
        CREATE TABLE ticket_events.measure (
            district_id text NOT NULL, desk text NOT NULL, ticket_id text NOT NULL,
            kind text NOT NULL, instance integer NOT NULL,
            minutes_calendar bigint NOT NULL, minutes_business bigint NOT NULL,
            measured_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, desk, ticket_id, kind, instance)
        )
    """)


def _inbox() -> None:
    # The body is what was understood, never the text of a ticket.
    op.execute("""
        CREATE TABLE ticket_events.delivery (
            district_id text NOT NULL, delivery_id text NOT NULL,
            seq bigint GENERATED ALWAYS AS IDENTITY, desk text NOT NULL,
            external_id text NOT NULL, correlation_id text NOT NULL,
            received_at timestamptz NOT NULL, body bytea NOT NULL,
            state text NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'applied', 'refused')),
            reason text, applied_at timestamptz,
            PRIMARY KEY (district_id, delivery_id),
            CONSTRAINT delivery_once UNIQUE (district_id, desk, external_id)
        )
    """)
    op.execute("""
        CREATE INDEX delivery_waiting ON ticket_events.delivery (desk, seq)
        WHERE state = 'waiting'
    """)
    op.execute("CREATE INDEX delivery_correlation ON ticket_events.delivery (correlation_id)")
