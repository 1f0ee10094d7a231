"""First tables: roster state, marks, accounts, names, what a first read found, groups,
plans, steps.

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
        review_on date, correlation_id text NOT NULL, causation_id text, origin text NOT NULL,
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
        unheeded jsonb NOT NULL DEFAULT '{}', named_at timestamptz,
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
# What stood there at the first reading; once that is worked off, keys alone (observed NULL).
_FOUND = """
    CREATE TABLE directory_sync.found_account (
        district_id text NOT NULL, target_id text NOT NULL, account_id text NOT NULL,
        external_id text, username_key text NOT NULL, observed jsonb,
        found_at timestamptz NOT NULL,
        PRIMARY KEY (district_id, target_id, account_id)
    )
"""
_TARGET = """
    CREATE TABLE directory_sync.target (
        district_id text NOT NULL, target_id text NOT NULL,
        first_read_at timestamptz NOT NULL, first_read_accounts integer NOT NULL,
        groups_read_at timestamptz, live_at timestamptz,
        read_asked_at timestamptz, read_started_at timestamptz,
        last_read_at timestamptz, last_read_outcome text,
        PRIMARY KEY (district_id, target_id)
    )
"""
# Why a person belongs to a group; days are ISO text, "" is open. Follows person.state.
_PLACE = """
    CREATE TABLE directory_sync.place (
        district_id text NOT NULL, person_id text NOT NULL, group_key text NOT NULL,
        number smallint NOT NULL,
        kind text NOT NULL CHECK (kind IN ('class', 'students', 'staff')),
        subject_id text NOT NULL, role text NOT NULL, begin_day text NOT NULL,
        end_day text NOT NULL, school_name text NOT NULL, changed_at timestamptz NOT NULL,
        PRIMARY KEY (district_id, person_id, group_key, number)
    )
"""
# Lanes and leases as in dirty.
_DIRTY_GROUP = """
    CREATE TABLE directory_sync.dirty_group (
        district_id text NOT NULL, target_id text NOT NULL, group_key text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('class', 'students', 'staff')),
        subject_id text NOT NULL, lane smallint NOT NULL CHECK (lane IN (0, 1)),
        correlation_id text NOT NULL, causation_id text, origin text NOT NULL,
        since timestamptz NOT NULL, generation bigint NOT NULL DEFAULT 1,
        attempts integer NOT NULL DEFAULT 0, next_attempt_at timestamptz NOT NULL,
        last_error_code text, lease_token text, lease_until timestamptz,
        PRIMARY KEY (district_id, target_id, group_key),
        CHECK ((lease_token IS NULL) = (lease_until IS NULL))
    ) WITH (fillfactor = 70)
"""
_GROUP = """
    CREATE TABLE directory_sync.directory_group (
        district_id text NOT NULL, target_id text NOT NULL, group_key text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('class', 'students', 'staff')),
        subject_id text NOT NULL, group_id text, display_name text NOT NULL,
        doubt text CHECK (doubt IN ('create', 'change', 'found')), adopted boolean NOT NULL,
        held integer NOT NULL DEFAULT 0 CHECK (held >= 0), held_since timestamptz,
        correlation_id text NOT NULL, changed_at timestamptz NOT NULL,
        last_error_code text, last_error_at timestamptz,
        PRIMARY KEY (district_id, target_id, group_key),
        CHECK ((held = 0) = (held_since IS NULL))
    ) WITH (fillfactor = 80)
"""
_MEMBERSHIP = """
    CREATE TABLE directory_sync.membership (
        district_id text NOT NULL, target_id text NOT NULL, group_key text NOT NULL,
        account_id text NOT NULL, person_id text NOT NULL, since timestamptz NOT NULL,
        PRIMARY KEY (district_id, target_id, group_key, account_id)
    )
"""
# Accounts seen in a group of ours that were nobody's of ours then.
_STRANGER = """
    CREATE TABLE directory_sync.stranger (
        district_id text NOT NULL, target_id text NOT NULL, group_key text NOT NULL,
        account_id text NOT NULL,
        PRIMARY KEY (district_id, target_id, account_id, group_key)
    )
"""
# What the budget of removals has spent; a removal that is tried again counts once.
_REMOVAL = """
    CREATE TABLE directory_sync.removal (
        district_id text NOT NULL, target_id text NOT NULL, group_key text NOT NULL,
        account_id text NOT NULL, at timestamptz NOT NULL,
        PRIMARY KEY (district_id, target_id, group_key, account_id)
    )
"""
_PLAN = """
    CREATE TABLE directory_sync.plan (
        district_id text NOT NULL, target_id text NOT NULL, plan_id text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('first_connection', 'guard', 'removals')),
        state text NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'expired')),
        items_hash text NOT NULL, counts jsonb NOT NULL, population integer NOT NULL,
        limit_count integer, limit_share double precision,
        approvals text[] NOT NULL, approvals_needed integer NOT NULL,
        correlation_id text NOT NULL, created_at timestamptz NOT NULL,
        grown_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
        ended_at timestamptz, reason text,
        PRIMARY KEY (district_id, target_id, plan_id),
        CHECK ((state = 'open') = (ended_at IS NULL))
    )
"""
# Names of attributes, never values. An action on a group names it, after a colon. An item that is
# not at its end is in one plan only.
_PLAN_ITEM = """
    CREATE TABLE directory_sync.plan_item (
        district_id text NOT NULL, target_id text NOT NULL, plan_id text NOT NULL,
        person_id text NOT NULL, action text NOT NULL,
        reason text NOT NULL, attributes text[] NOT NULL,
        correlation_id text NOT NULL, causation_id text, origin text NOT NULL,
        state text NOT NULL CHECK
            (state IN ('waiting', 'released', 'refused', 'expired', 'done', 'gone')),
        PRIMARY KEY (district_id, target_id, plan_id, person_id, action)
    )
"""
# Who was disabled without asking, once per person in 24 hours; written before the call.
_SPENT = """
    CREATE TABLE directory_sync.spent (
        district_id text NOT NULL, target_id text NOT NULL, person_id text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (district_id, target_id, person_id)
    )
"""
# What happened, for GET /trace: ids, counts and codes, kept as long as the log.
_STEP = """
    CREATE TABLE directory_sync.step (
        district_id text NOT NULL, correlation_id text NOT NULL, at timestamptz NOT NULL,
        what text NOT NULL, ids jsonb NOT NULL, item_count integer NOT NULL, detail text
    )
"""
_INDEXES = (
    """
    CREATE UNIQUE INDEX plan_item_live ON directory_sync.plan_item
        (district_id, target_id, person_id, action)
        WHERE state IN ('waiting', 'released', 'refused', 'expired')
    """,
    """
    CREATE INDEX plan_item_action ON directory_sync.plan_item (district_id, target_id, action)
        WHERE state IN ('waiting', 'released', 'refused', 'expired')
    """,
    """
    CREATE INDEX plan_open ON directory_sync.plan (district_id, target_id) WHERE state = 'open'
    """,
    "CREATE INDEX plan_id ON directory_sync.plan (plan_id)",
    "CREATE INDEX spent_at ON directory_sync.spent (district_id, target_id, at)",
    "CREATE INDEX step_cause ON directory_sync.step (correlation_id)",
    "CREATE INDEX step_at ON directory_sync.step (district_id, at)",
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
    """
    CREATE INDEX name_person ON directory_sync.name (district_id, target_id, person_id)
        WHERE person_id IS NOT NULL
    """,
    "CREATE INDEX name_stem ON directory_sync.name (district_id, target_id, stem)",
    """
    CREATE INDEX found_external ON directory_sync.found_account
        (district_id, target_id, external_id)
    """,
    """
    CREATE INDEX found_username ON directory_sync.found_account
        (district_id, target_id, username_key)
    """,
    """
    CREATE INDEX class_review ON directory_sync.class (district_id, review_on)
        WHERE review_on IS NOT NULL
    """,
    "CREATE INDEX place_group ON directory_sync.place (district_id, group_key)",
    """
    CREATE INDEX dirty_group_due ON directory_sync.dirty_group
        (district_id, target_id, lane, next_attempt_at)
    """,
    """
    CREATE INDEX dirty_group_lease ON directory_sync.dirty_group (lease_token)
        WHERE lease_token IS NOT NULL
    """,
    """
    CREATE INDEX membership_person ON directory_sync.membership
        (district_id, target_id, person_id)
    """,
    """
    CREATE INDEX stranger_group ON directory_sync.stranger (district_id, target_id, group_key)
    """,
    "CREATE INDEX removal_at ON directory_sync.removal (district_id, target_id, at)",
)
_PLANS = (_PLAN, _PLAN_ITEM, _SPENT, _STEP)
_GROUPS = (_PLACE, _DIRTY_GROUP, _GROUP, _MEMBERSHIP, _STRANGER, _REMOVAL)


def upgrade() -> None:
    """Create the tables of this service."""
    tables = (_PERSON, _CLASS, _DIRTY, _ACCOUNT, _NAME, _FOUND, _TARGET, *_GROUPS, *_PLANS)
    for statement in (*tables, *_INDEXES):
        op.execute(statement)
    create_position_table(op, schema="directory_sync")
