"""The roster store: objects ready to send, their history, scopes, dirty marks, states, vendors.

Pre: safe while older code runs (nothing exists before it). Ids compare by bytes (COLLATE "C"), so
that the order vendors page in does not change with the machine's locale.
"""

from alembic import op

from roster_common.runtime.log.positions import create_position_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = 'text COLLATE "C"'
_PUBLISHED = f"""
    district_id text NOT NULL,
    entity text NOT NULL CHECK (entity IN
        ('org', 'academicSession', 'course', 'class', 'user', 'demographics', 'enrollment')),
    sourced_id {_ID} NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'tobedeleted')),
    stamp timestamptz NOT NULL,
    correlation_id text NOT NULL,
    kind text,
    user_id {_ID}, class_id {_ID}, course_id {_ID}, school_id {_ID}, parent_id {_ID},
    merged_into {_ID} CHECK (merged_into IS NULL OR status = 'tobedeleted'),
    term_ids text[] NOT NULL DEFAULT '{{}}',
    roles text[] NOT NULL DEFAULT '{{}}',
    roles_at text[] NOT NULL DEFAULT '{{}}',
    scope_ids text[] NOT NULL DEFAULT '{{}}',
    base text NOT NULL DEFAULT '', names text NOT NULL DEFAULT '',
    contact text NOT NULL DEFAULT '', identifiers text NOT NULL DEFAULT '',
    birth text NOT NULL DEFAULT '', ethnicity text NOT NULL DEFAULT '',
    refs text NOT NULL DEFAULT '', metadata text NOT NULL DEFAULT ''
"""


def upgrade() -> None:
    """Create every table of the service."""
    op.execute("""
        CREATE TABLE roster_publisher.district_revision (
            district_id text PRIMARY KEY,
            revision bigint NOT NULL DEFAULT 0 CHECK (revision >= 0),
            stamp timestamptz,
            bulk_since timestamptz, bulk_until timestamptz,
            rules_version bigint NOT NULL DEFAULT 0,
            history_floor bigint NOT NULL DEFAULT 0 CHECK (history_floor <= revision),
            purged_stamp timestamptz
        ) WITH (fillfactor = 50)
    """)
    _create_store()
    _create_gone_parts()
    _create_scopes()
    _create_states()
    _create_names_and_causes()
    _create_vendors()
    _create_telling()
    _create_audit()
    _create_signing_keys()
    create_position_table(op, schema="roster_publisher")


def _create_store() -> None:
    op.execute(f"""
        CREATE TABLE roster_publisher.object ({_PUBLISHED},
            revision bigint NOT NULL,
            shown boolean NOT NULL,
            content_hash bytea NOT NULL,
            event_time timestamptz NOT NULL,
            record jsonb NOT NULL,
            rule_ids text[] NOT NULL DEFAULT '{{}}',
            revived_stamp timestamptz,
            pending jsonb CHECK (pending IS NULL OR shown),
            PRIMARY KEY (district_id, entity, sourced_id) INCLUDE (revision, shown)
        )
    """)
    # An expression, because with plain columns the planner takes this index for lookups by id as
    # long as it knows nothing of a table that a first load is filling.
    op.execute("CREATE INDEX ON roster_publisher.object ((district_id || '/' || entity), stamp)")
    # A school's rows in the order of their ids; an expression for the same reason.
    op.execute("""
        CREATE INDEX ON roster_publisher.object
            ((district_id || '/' || entity || '/' || school_id), sourced_id)
        WHERE school_id IS NOT NULL
    """)
    for columns, where in (
        ("district_id, sourced_id", "WHERE roles @> '{student}'"),
        ("district_id, sourced_id", "WHERE roles @> '{teacher}'"),
        ("district_id, user_id", "WHERE user_id IS NOT NULL"),
        ("district_id, class_id", "WHERE class_id IS NOT NULL"),
        ("district_id, course_id", "WHERE course_id IS NOT NULL"),
        ("district_id, stamp", "WHERE status = 'tobedeleted'"),
    ):
        op.execute(f"CREATE INDEX ON roster_publisher.object ({columns}) {where}")
    op.execute(f"""
        CREATE TABLE roster_publisher.object_history ({_PUBLISHED},
            rev_from bigint NOT NULL,
            rev_to bigint NOT NULL CHECK (rev_to > rev_from),
            archived_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, entity, sourced_id, rev_to)
        )
    """)
    # An expression here too: taken for a lookup by id it reads all that was written since.
    op.execute(
        "CREATE INDEX ON roster_publisher.object_history ((district_id || '/' || entity), rev_to)"
    )
    op.execute("CREATE INDEX ON roster_publisher.object_history (archived_at)")
    op.execute(f"""
        CREATE TABLE roster_publisher.dangling (
            district_id text NOT NULL,
            to_entity text NOT NULL, to_id {_ID} NOT NULL,
            from_entity text NOT NULL, from_id {_ID} NOT NULL,
            PRIMARY KEY (district_id, to_entity, to_id, from_entity, from_id)
        )
    """)
    op.execute("CREATE INDEX ON roster_publisher.dangling (district_id, from_entity, from_id)")


def _create_gone_parts() -> None:
    # Roles and profiles that users had: deltas in files tell that they went.
    op.execute(f"""
        CREATE TABLE roster_publisher.gone_part (
            district_id text NOT NULL, user_id {_ID} NOT NULL, part_id text NOT NULL,
            file text NOT NULL CHECK (file IN ('roles', 'userProfiles')),
            org_id {_ID} CHECK ((org_id IS NOT NULL) = (file = 'roles')),
            cells jsonb NOT NULL, revision bigint NOT NULL, stamp timestamptz NOT NULL,
            PRIMARY KEY (district_id, user_id, part_id, revision)
        )
    """)
    op.execute("CREATE INDEX ON roster_publisher.gone_part (stamp)")


def _create_scopes() -> None:
    # Scopes of rules; an org is a scope without a line here.
    op.execute(f"""
        CREATE TABLE roster_publisher.scope (
            district_id text NOT NULL,
            scope_id {_ID} NOT NULL CHECK (scope_id LIKE 'rule:%'),
            school_ids text[], grades text[], course_ids text[], subjects text[],
            since_rev bigint NOT NULL, wanted_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, scope_id)
        )
    """)
    op.execute(f"""
        CREATE TABLE roster_publisher.scope_member (
            district_id text NOT NULL, scope_id {_ID} NOT NULL, entity text NOT NULL,
            sourced_id {_ID} NOT NULL, via_id {_ID} NOT NULL,
            since_rev bigint NOT NULL, since_stamp timestamptz NOT NULL,
            until_rev bigint CHECK (until_rev > since_rev), until_stamp timestamptz,
            CHECK ((until_rev IS NULL) = (until_stamp IS NULL)),
            PRIMARY KEY (district_id, scope_id, entity, sourced_id, via_id, since_rev)
                INCLUDE (since_stamp, until_stamp, until_rev)
        )
    """)
    op.execute("CREATE INDEX ON roster_publisher.scope_member (district_id, entity, sourced_id)")
    op.execute("CREATE INDEX ON roster_publisher.scope_member (until_stamp) WHERE until_rev > 0")
    # For the change feed: what came into and went out of scopes, in the order of commits. An
    # expression, for the same reason as that of `object`: publishing looks up by id.
    for column, where in (("since_stamp", ""), ("until_stamp", " WHERE until_rev > 0")):
        op.execute(
            "CREATE INDEX ON roster_publisher.scope_member"
            f" ((district_id || '/' || entity), {column}){where}"
        )
    op.execute(f"""
        CREATE TABLE roster_publisher.last_seen ({_PUBLISHED},
            revision bigint NOT NULL,
            left_rev bigint NOT NULL CHECK (left_rev > revision),
            gone_rev bigint CHECK (gone_rev > left_rev), gone_at timestamptz,
            CHECK ((gone_rev IS NULL) = (gone_at IS NULL)),
            PRIMARY KEY (district_id, entity, sourced_id, left_rev)
        )
    """)
    op.execute(
        "CREATE INDEX ON roster_publisher.last_seen (district_id, stamp) WHERE gone_rev IS NULL"
    )
    op.execute("CREATE INDEX ON roster_publisher.last_seen (gone_at) WHERE gone_rev > 0")
    op.execute(
        "CREATE INDEX ON roster_publisher.last_seen (district_id, class_id)"
        " WHERE class_id IS NOT NULL"
    )


def _create_states() -> None:
    for what, merged_into in (("person", f" merged_into {_ID},"), ("class", "")):
        op.execute(f"""
            CREATE TABLE roster_publisher.dirty_{what} (
                district_id text NOT NULL, {what}_id {_ID} NOT NULL,
                correlation_id text NOT NULL, causation_id text,
                origin text NOT NULL, force boolean NOT NULL DEFAULT false,
                bulk boolean NOT NULL, ready_at timestamptz NOT NULL,{merged_into}
                PRIMARY KEY (district_id, {what}_id)
            )
        """)
        op.execute(f"CREATE INDEX ON roster_publisher.dirty_{what} (bulk, ready_at)")
    op.execute(f"""
        CREATE TABLE roster_publisher.person_state (
            district_id text NOT NULL, person_id {_ID} NOT NULL,
            state_hash bytea NOT NULL, revision bigint NOT NULL,
            phase text NOT NULL CHECK (phase IN ('none', 'active', 'settling', 'left')),
            role text, org_ids text[] NOT NULL DEFAULT '{{}}',
            left_due_at timestamptz CHECK ((left_due_at IS NOT NULL) = (phase = 'settling')),
            left_correlation_id text, left_causation_id text, left_origin text,
            next_date date, attended jsonb NOT NULL DEFAULT '[]',
            emitted_at timestamptz, emitted_correlation_id text,
            step text CHECK (step IN ('joined', 'moved', 'left')),
            step_at timestamptz, step_correlation_id text,
            PRIMARY KEY (district_id, person_id)
        )
    """)
    op.execute(
        "CREATE INDEX ON roster_publisher.person_state (left_due_at) WHERE left_due_at IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX ON roster_publisher.person_state (district_id, next_date)"
        " WHERE next_date IS NOT NULL"
    )
    op.execute(f"""
        CREATE TABLE roster_publisher.class_state (
            district_id text NOT NULL, class_id {_ID} NOT NULL,
            state_hash bytea NOT NULL, revision bigint NOT NULL,
            PRIMARY KEY (district_id, class_id)
        )
    """)


def _create_names_and_causes() -> None:
    op.execute(f"""
        CREATE TABLE roster_publisher.allocated_name (
            district_id text NOT NULL, person_id {_ID} NOT NULL, target text NOT NULL,
            username text, email text,
            event_time timestamptz NOT NULL, event_id text NOT NULL,
            correlation_id text NOT NULL,
            PRIMARY KEY (district_id, person_id, target)
        )
    """)
    op.execute(f"""
        CREATE TABLE roster_publisher.cause (
            district_id text NOT NULL, correlation_id text NOT NULL,
            what text NOT NULL CHECK (what IN ('published', 'waiting', 'named', 'derived')),
            detail text NOT NULL DEFAULT '',
            revision bigint NOT NULL, at timestamptz NOT NULL,
            records bigint NOT NULL CHECK (records > 0),
            entity text NOT NULL, sourced_id {_ID} NOT NULL,
            PRIMARY KEY (district_id, correlation_id, what, detail, revision)
        )
    """)
    op.execute("CREATE INDEX ON roster_publisher.cause (correlation_id)")
    op.execute("CREATE INDEX ON roster_publisher.cause (at)")


def _create_vendors() -> None:
    op.execute("""
        CREATE TABLE roster_publisher.client (
            district_id text NOT NULL, client_id text NOT NULL UNIQUE,
            secret_hash text NOT NULL, created_at timestamptz NOT NULL,
            configured boolean NOT NULL DEFAULT false,
            old_secrets jsonb NOT NULL DEFAULT '[]',
            PRIMARY KEY (district_id, client_id)
        )
    """)
    op.execute("""
        CREATE TABLE roster_publisher.grant_ (
            district_id text NOT NULL, client_id text NOT NULL,
            token_scopes text[] NOT NULL,
            school_ids text[],
            rules jsonb NOT NULL DEFAULT '[]',
            field_policy jsonb NOT NULL DEFAULT '{}',
            agreement text, purpose text, expires_at timestamptz,
            since_stamp timestamptz,
            rate double precision CHECK (rate > 0), burst integer CHECK (burst > 0),
            PRIMARY KEY (district_id, client_id),
            FOREIGN KEY (district_id, client_id) REFERENCES roster_publisher.client
                ON DELETE CASCADE
        )
    """)
    op.execute("""
        CREATE TABLE roster_publisher.access_token (
            district_id text NOT NULL, token_hash bytea NOT NULL UNIQUE,
            client_id text NOT NULL, token_scopes text[] NOT NULL,
            expires_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, token_hash),
            FOREIGN KEY (district_id, client_id) REFERENCES roster_publisher.client
                ON DELETE CASCADE
        )
    """)
    op.execute("CREATE INDEX ON roster_publisher.access_token (expires_at)")
    # One line: it rises when what any vendor may do is changed, so that every process looks anew.
    op.execute("""
        CREATE TABLE roster_publisher.access_version (
            one_line boolean PRIMARY KEY DEFAULT true CHECK (one_line),
            version bigint NOT NULL
        )
    """)
    op.execute("INSERT INTO roster_publisher.access_version (version) VALUES (0)")


def _create_telling() -> None:
    op.execute("""
        CREATE TABLE roster_publisher.webhook (
            district_id text NOT NULL, client_id text NOT NULL,
            cursor text, until text, round bigint NOT NULL DEFAULT 0,
            generation bigint NOT NULL DEFAULT 0, holder text, lease_until timestamptz,
            failures integer NOT NULL DEFAULT 0, failing_since timestamptz,
            not_before timestamptz, reason text, stopped_at timestamptz,
            delivered_at timestamptz, bulk_told timestamptz,
            CHECK ((failures = 0) = (failing_since IS NULL)),
            CHECK ((holder IS NULL) = (lease_until IS NULL)),
            PRIMARY KEY (district_id, client_id),
            FOREIGN KEY (district_id, client_id) REFERENCES roster_publisher.client
                ON DELETE CASCADE
        )
    """)
    op.execute("""
        CREATE TABLE roster_publisher.export (
            district_id text NOT NULL, client_id text NOT NULL, name text NOT NULL,
            since timestamptz, files text[] NOT NULL DEFAULT '{}',
            done_at timestamptz, not_before timestamptz,
            generation bigint NOT NULL DEFAULT 0, holder text, lease_until timestamptz,
            CHECK ((holder IS NULL) = (lease_until IS NULL)),
            PRIMARY KEY (district_id, client_id, name),
            FOREIGN KEY (district_id, client_id) REFERENCES roster_publisher.client
                ON DELETE CASCADE
        )
    """)
    # Outlives its client: what was put there has to go.
    op.execute("""
        CREATE TABLE roster_publisher.export_folder (
            district_id text NOT NULL, client_id text NOT NULL, folder text NOT NULL,
            PRIMARY KEY (district_id, client_id, folder)
        )
    """)
    op.execute("""
        CREATE TABLE roster_publisher.pull (
            district_id text NOT NULL, client_id text NOT NULL, query_hash bytea NOT NULL,
            revision bigint NOT NULL, total bigint NOT NULL, expires_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, client_id, query_hash)
        )
    """)
    op.execute("CREATE INDEX ON roster_publisher.pull (expires_at)")


def _create_audit() -> None:
    # No key to `client`: what a vendor pulled is known after the vendor has gone.
    op.execute("""
        CREATE TABLE roster_publisher.pull_audit (
            district_id text NOT NULL, client_id text NOT NULL, at timestamptz NOT NULL,
            audit_id bigint NOT NULL,
            door text NOT NULL, what text NOT NULL, detail text NOT NULL,
            entities text[] NOT NULL,
            status smallint, rows integer NOT NULL, revision bigint, ms integer NOT NULL,
            operator text,
            PRIMARY KEY (district_id, client_id, at, audit_id)
        )
    """)
    # A line has its number before it is written, so that one that is written again is the same.
    op.execute("CREATE SEQUENCE roster_publisher.pull_audit_id")
    # Written in the order of time, so the smallest index finds what is old.
    op.execute("CREATE INDEX ON roster_publisher.pull_audit USING brin (at)")
    op.execute("""
        CREATE TABLE roster_publisher.last_pull (
            district_id text NOT NULL, client_id text NOT NULL, entity text NOT NULL,
            at timestamptz NOT NULL,
            PRIMARY KEY (district_id, client_id, entity)
        ) WITH (fillfactor = 50)
    """)


def _create_signing_keys() -> None:
    op.execute("""
        CREATE TABLE roster_publisher.signing_key (
            district_id text NOT NULL, client_id text NOT NULL,
            key text NOT NULL UNIQUE, sealed_secret bytea NOT NULL,
            PRIMARY KEY (district_id, client_id),
            FOREIGN KEY (district_id, client_id) REFERENCES roster_publisher.client
                ON DELETE CASCADE
        )
    """)
    # Stays when its client ends: one that comes back must not be asked twice either.
    op.execute("""
        CREATE TABLE roster_publisher.nonce (
            district_id text NOT NULL, client_id text NOT NULL, digest bytea NOT NULL,
            expires_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, client_id, digest)
        )
    """)
    op.execute("CREATE INDEX ON roster_publisher.nonce (expires_at)")
