"""First tables: roster state, marks, accounts, names, what a first read found, plans, steps.

Pre: safe while older code runs (nothing exists before it).
"""

from alembic import op

from roster_common.runtime.log.positions import create_position_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_PERSON = """
    CREATE TABLE directory_sync.person (
        district_id text NOT NULL, person_id text NOT NULL,
        state jsonb, content_hash bytea NOT NULL, deleted boolean NOT NULL,
        review_on date, correlation_id text NOT NULL, causation_id text, origin text NOT NULL,
        changed_at timestamptz NOT NULL,
        PRIMARY KEY (district_id, person_id),
        CHECK (deleted = (state IS NULL))
    )
"""
_CLASS = """
    CREATE TABLE directory_sync.class (
        district_id text NOT NULL, class_id text NOT NULL,
        state jsonb, content_hash bytea NOT NULL, deleted boolean NOT NULL,
        correlation_id text NOT NULL, causation_id text, origin text NOT NULL,
        changed_at timestamptz NOT NULL,
        PRIMARY KEY (district_id, class_id),
        CHECK (deleted = (state IS NULL))
    )
"""
# Lane 0: single changes. Lane 1: first loads, snapshots, republishing, which must not delay them.
_DIRTY = """
    CREATE TABLE directory_sync.dirty (
        district_id text NOT NULL, target_id text NOT NULL, person_id text NOT NULL,
        lane smallint NOT NULL CHECK (lane IN (0, 1)),
        correlation_id text NOT NULL, causation_id text, origin text NOT NULL,
        since timestamptz NOT NULL, generation bigint NOT NULL DEFAULT 1,
        attempts integer NOT NULL DEFAULT 0, next_attempt_at timestamptz NOT NULL,
        last_error_code text, lease_token text, lease_until timestamptz,
        PRIMARY KEY (district_id, target_id, person_id),
        CHECK ((lease_token IS NULL) = (lease_until IS NULL))
    ) WITH (fillfactor = 70)
"""
_ACCOUNT = """
    CREATE TABLE directory_sync.account (
        district_id text NOT NULL, target_id text NOT NULL, person_id text NOT NULL,
        account_id text, username text, email text,
        username_source text CHECK (username_source IN ('roster', 'allocated', 'found')),
        state text NOT NULL CHECK (state IN ('reserved', 'enabled', 'disabled')),
        asked_at timestamptz, observed jsonb, actual_hash bytea, confirmed_at timestamptz,
        correlation_id text NOT NULL, changed_at timestamptz NOT NULL,
        last_error_code text, last_error_at timestamptz,
        PRIMARY KEY (district_id, target_id, person_id),
        CHECK ((account_id IS NULL) = (state = 'reserved')),
        CHECK ((account_id IS NULL) = (observed IS NULL)),
        CHECK ((username IS NULL) = (username_source IS NULL))
    ) WITH (fillfactor = 80)
"""
# A name once in the ledger stays: nobody is given the address of somebody who left.
_NAME = """
    CREATE TABLE directory_sync.name (
        district_id text NOT NULL, target_id text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('username', 'email')),
        name_key text NOT NULL, stem text NOT NULL, person_id text,
        held_since timestamptz NOT NULL,
        PRIMARY KEY (district_id, target_id, kind, name_key)
    )
"""
_FOUND = """
    CREATE TABLE directory_sync.found_account (
        district_id text NOT NULL, target_id text NOT NULL, account_id text NOT NULL,
        external_id text, username_key text NOT NULL, observed jsonb NOT NULL,
        found_at timestamptz NOT NULL,
        PRIMARY KEY (district_id, target_id, account_id)
    )
"""
_TARGET = """
    CREATE TABLE directory_sync.target (
        district_id text NOT NULL, target_id text NOT NULL,
        first_read_at timestamptz NOT NULL, first_read_accounts integer NOT NULL,
        live_at timestamptz,
        read_asked_at timestamptz, read_started_at timestamptz,
        last_read_at timestamptz, last_read_outcome text,
        PRIMARY KEY (district_id, target_id)
    )
"""
_PLAN = """
    CREATE TABLE directory_sync.plan (
        district_id text NOT NULL, target_id text NOT NULL, plan_id text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('first_connection', 'guard')), action text,
        state text NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'expired')),
        items_hash text NOT NULL, counts jsonb NOT NULL, item_count integer NOT NULL,
        population integer NOT NULL, limit_count integer, limit_share double precision,
        approvals text[] NOT NULL DEFAULT '{}', approvals_needed integer NOT NULL,
        correlation_id text NOT NULL, created_at timestamptz NOT NULL,
        grown_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
        ended_at timestamptz, ended_by text, reason text,
        PRIMARY KEY (district_id, target_id, plan_id),
        CHECK ((kind = 'guard') = (action IS NOT NULL)),
        CHECK ((state = 'open') = (ended_at IS NULL))
    )
"""
# Names of attributes, never values. group_id is empty for an account.
_PLAN_ITEM = """
    CREATE TABLE directory_sync.plan_item (
        district_id text NOT NULL, target_id text NOT NULL, plan_id text NOT NULL,
        person_id text NOT NULL, group_id text NOT NULL DEFAULT '', action text NOT NULL,
        reason text NOT NULL, attributes text[] NOT NULL, correlation_id text NOT NULL,
        state text NOT NULL CHECK
            (state IN ('waiting', 'released', 'refused', 'lapsed', 'done', 'gone')),
        PRIMARY KEY (district_id, target_id, plan_id, person_id, group_id, action)
    )
"""
# Who passed a guard, once per person in 24 hours; written before the action leaves us.
_SPENT = """
    CREATE TABLE directory_sync.spent (
        district_id text NOT NULL, target_id text NOT NULL, action text NOT NULL,
        person_id text NOT NULL, group_id text NOT NULL DEFAULT '', at timestamptz NOT NULL,
        PRIMARY KEY (district_id, target_id, action, person_id, group_id)
    )
"""
# What happened, for GET /trace. Ids, counts and codes; kept as long as the log.
_STEP = """
    CREATE TABLE directory_sync.step (
        district_id text NOT NULL, correlation_id text NOT NULL, at timestamptz NOT NULL,
        what text NOT NULL, ids jsonb NOT NULL, item_count integer, detail text
    )
"""
_INDEXES = (
    """
    CREATE INDEX person_review ON directory_sync.person (district_id, review_on)
        WHERE review_on IS NOT NULL
    """,
    """
    CREATE INDEX dirty_due ON directory_sync.dirty
        (district_id, target_id, lane, next_attempt_at)
    """,
    "CREATE INDEX dirty_lease ON directory_sync.dirty (lease_token) WHERE lease_token IS NOT NULL",
    # One anchor, one person.
    """
    CREATE UNIQUE INDEX account_anchor ON directory_sync.account
        (district_id, target_id, account_id) WHERE account_id IS NOT NULL
    """,
    "CREATE INDEX account_person ON directory_sync.account (person_id)",
    "CREATE INDEX name_stem ON directory_sync.name (district_id, target_id, stem)",
    """
    CREATE INDEX found_external ON directory_sync.found_account
        (district_id, target_id, external_id)
    """,
    """
    CREATE UNIQUE INDEX plan_item_live ON directory_sync.plan_item
        (district_id, target_id, person_id, group_id, action)
        WHERE state IN ('waiting', 'released', 'refused', 'lapsed')
    """,
    # One open plan a kind may still be gathering; a first connection has one at most.
    """
    CREATE INDEX plan_open ON directory_sync.plan (district_id, target_id, action)
        WHERE state = 'open'
    """,
    "CREATE INDEX step_correlation ON directory_sync.step (correlation_id, district_id)",
    "CREATE INDEX step_age ON directory_sync.step (district_id, at)",
    """
    CREATE INDEX found_username ON directory_sync.found_account
        (district_id, target_id, username_key)
    """,
)


def upgrade() -> None:
    """Create the tables of this service."""
    tables = (_PERSON, _CLASS, _DIRTY, _ACCOUNT, _NAME, _FOUND, _TARGET)
    for statement in (*tables, _PLAN, _PLAN_ITEM, _SPENT, _STEP, *_INDEXES):
        op.execute(statement)
    create_position_table(op, schema="directory_sync")
