"""The schema of sis-ingest: inbox, per-source records, crosswalk, resolved records, runs, holds.

Pre: safe while older code runs (nothing exists before it).
"""

from alembic import op

from roster_common.runtime.log.positions import create_position_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ENTITIES = (
    "entity IN ('org', 'academicSession', 'course', 'class', 'user', 'enrollment', 'demographics')"
)


def upgrade() -> None:
    """Create every table; the district stands first in each key."""
    _inbox()
    _records()
    _crosswalk()
    _suggestions()
    _resolved()
    _authority()
    _runs()
    _pairs()
    _drops()
    _pulls()
    _holds()
    _replays()
    _uncounted()
    _districts_alike()
    create_position_table(op, schema="sis_ingest")


def _districts_alike() -> None:
    # A district that came since these tables were last counted looks empty to a planner who knows
    # all the others, and then any index will do: each lookup read the newcomer's whole collection.
    # Without figures every district is taken for a share of the table, and the whole key is used.
    for table in ("crosswalk", "resolved_record"):
        op.execute(f"ALTER TABLE sis_ingest.{table} ALTER COLUMN district_id SET STATISTICS 0")


def _inbox() -> None:
    # delivery_once without the district: a source id is unique over the installation and binds one
    # district (settings), and the sender's own id of a delivery is a fact about the source alone.
    op.execute("""
        CREATE TABLE sis_ingest.delivery (
            district_id text NOT NULL, delivery_id uuid NOT NULL,
            seq bigint GENERATED ALWAYS AS IDENTITY, source_id text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('webhook', 'snapshot')),
            external_id text NOT NULL, correlation_id text NOT NULL,
            received_at timestamptz NOT NULL, headers jsonb NOT NULL DEFAULT '{}',
            body bytea, sha256 text,
            state text NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'applied', 'refused')),
            reason text, applied_at timestamptz, purged_at timestamptz,
            PRIMARY KEY (district_id, delivery_id),
            CONSTRAINT delivery_once UNIQUE (source_id, external_id),
            CHECK (kind = 'snapshot' OR (body IS NULL) = (purged_at IS NOT NULL)),
            CHECK (state <> 'waiting' OR purged_at IS NULL)
        )
    """)
    op.execute("""
        CREATE INDEX delivery_waiting ON sis_ingest.delivery (source_id, seq)
        WHERE state = 'waiting' AND kind = 'webhook'
    """)
    op.execute("CREATE INDEX delivery_correlation ON sis_ingest.delivery (correlation_id)")
    # A line per source: asked by whoever asks whether this process is ready.
    op.execute("""
        CREATE TABLE sis_ingest.source_success (
            district_id text NOT NULL, source_id text NOT NULL, at timestamptz NOT NULL,
            PRIMARY KEY (district_id, source_id)
        )
    """)
    # Whose raw bytes are still here, oldest first: written when a delivery is done with, not at
    # the door.
    op.execute("""
        CREATE INDEX delivery_raw ON sis_ingest.delivery (received_at)
        WHERE state <> 'waiting' AND purged_at IS NULL
    """)


def _records() -> None:
    op.execute(f"""
        CREATE TABLE sis_ingest.source_record (
            district_id text NOT NULL, source_id text NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}), external_id text NOT NULL,
            data jsonb, content_hash bytea NOT NULL, raw_hash bytea, version bigint,
            occurred_at timestamptz NOT NULL, deleted boolean NOT NULL,
            delivery_id uuid NOT NULL,
            PRIMARY KEY (district_id, source_id, entity, external_id),
            CHECK (deleted OR data IS NOT NULL)
        )
    """)
    op.execute(f"""
        CREATE TABLE sis_ingest.source_statement (
            district_id text NOT NULL, source_id text NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}), as_of timestamptz NOT NULL,
            run_id uuid NOT NULL,
            PRIMARY KEY (district_id, source_id, entity)
        )
    """)


def _crosswalk() -> None:
    op.execute(f"""
        CREATE TABLE sis_ingest.crosswalk (
            district_id text NOT NULL, source_id text NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}), external_id text NOT NULL,
            entity_id text NOT NULL, match_rule text NOT NULL, decided_by text NOT NULL,
            valid_from timestamptz NOT NULL, valid_to timestamptz, decision_id uuid,
            PRIMARY KEY (district_id, source_id, entity, external_id, valid_from),
            CHECK (valid_to IS NULL OR valid_to > valid_from)
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX crosswalk_current
        ON sis_ingest.crosswalk (district_id, source_id, entity, external_id)
        WHERE valid_to IS NULL
    """)
    # The id before its space: with the space first, a planner that has not heard of a new
    # collection yet takes this index for outside ids too, and reads all of it for each.
    op.execute("""
        CREATE INDEX crosswalk_ours ON sis_ingest.crosswalk (district_id, entity_id, entity)
    """)
    op.execute("""
        CREATE INDEX crosswalk_decided ON sis_ingest.crosswalk (district_id, decision_id)
        WHERE decision_id IS NOT NULL
    """)
    op.execute(f"""
        CREATE TABLE sis_ingest.crosswalk_decision (
            district_id text NOT NULL, decision_id uuid NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}),
            kind text NOT NULL CHECK (kind IN ('merge', 'split', 'undo')),
            match_rule text NOT NULL, decided_by text NOT NULL, decided_at timestamptz NOT NULL,
            correlation_id text NOT NULL, undoes uuid,
            PRIMARY KEY (district_id, decision_id), UNIQUE (decision_id)
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX crosswalk_decision_undone
        ON sis_ingest.crosswalk_decision (district_id, undoes) WHERE undoes IS NOT NULL
    """)


def _suggestions() -> None:
    op.execute(f"""
        CREATE TABLE sis_ingest.suggestion (
            district_id text NOT NULL, suggestion_id uuid NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}),
            one_id text NOT NULL, other_id text NOT NULL, rule text NOT NULL,
            state text NOT NULL CHECK (state IN ('open', 'confirmed', 'dismissed')),
            suggested_at timestamptz NOT NULL, decided_by text, decided_at timestamptz,
            PRIMARY KEY (district_id, suggestion_id), UNIQUE (suggestion_id),
            CONSTRAINT suggestion_once UNIQUE (district_id, entity, one_id, other_id),
            CHECK ((state = 'open') = (decided_at IS NULL))
        )
    """)
    op.execute("""
        CREATE INDEX suggestion_page
        ON sis_ingest.suggestion (district_id, state, suggested_at, suggestion_id)
    """)


def _resolved() -> None:
    op.execute(f"""
        CREATE TABLE sis_ingest.resolved_record (
            district_id text NOT NULL, entity text NOT NULL CHECK ({_ENTITIES}),
            entity_id text NOT NULL, data jsonb NOT NULL, content_hash bytea NOT NULL,
            deleted boolean NOT NULL, revision bigint NOT NULL CHECK (revision > 0),
            correlation_id text NOT NULL, changed_at timestamptz NOT NULL,
            state_id text, local_id text, email text, name_key text,
            told boolean NOT NULL DEFAULT true,
            PRIMARY KEY (district_id, entity, entity_id), CHECK (told OR deleted)
        )
    """)
    # Match keys: columns of their own, so that updates of `data` touch no index.
    for key in ("state_id", "local_id", "email", "name_key"):
        op.execute(f"""
            CREATE INDEX resolved_record_{key} ON sis_ingest.resolved_record (district_id, {key})
            WHERE {key} IS NOT NULL
        """)
    # One line per commit, correlation and entity, however many records: an index on the records
    # themselves would be rewritten by every change.
    op.execute(f"""
        CREATE TABLE sis_ingest.record_effect (
            district_id text NOT NULL, effect_id bigint GENERATED ALWAYS AS IDENTITY,
            correlation_id text NOT NULL, at timestamptz NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}), first_id text NOT NULL,
            records integer NOT NULL CHECK (records > 0),
            PRIMARY KEY (district_id, effect_id)
        )
    """)
    op.execute("""
        CREATE INDEX record_effect_correlation ON sis_ingest.record_effect (correlation_id)
    """)


def _authority() -> None:
    # An empty school stands for the district: what belongs to no school, and every other school.
    op.execute("""
        CREATE TABLE sis_ingest.authority (
            district_id text NOT NULL, school_id text NOT NULL, source_id text NOT NULL,
            since timestamptz NOT NULL, decided_by text NOT NULL,
            PRIMARY KEY (district_id, school_id)
        )
    """)
    # One that waits has a hold of the same id.
    op.execute(f"""
        CREATE TABLE sis_ingest.flip (
            district_id text NOT NULL, flip_id uuid NOT NULL, school_id text NOT NULL,
            source_id text, decided_by text NOT NULL, correlation_id text NOT NULL,
            asked_at timestamptz NOT NULL, begun_at timestamptz, ended_at timestamptz,
            after_entity text CHECK ({_ENTITIES.replace("entity", "after_entity", 1)}),
            after_id text, upserted integer NOT NULL, deleted integer NOT NULL,
            retells boolean NOT NULL,
            PRIMARY KEY (district_id, flip_id)
        )
    """)


def _runs() -> None:
    op.execute("""
        CREATE TABLE sis_ingest.run (
            district_id text NOT NULL, run_id uuid NOT NULL, source_id text NOT NULL,
            delivery_id uuid NOT NULL, correlation_id text NOT NULL,
            state text NOT NULL
                CHECK (state IN ('waiting', 'running', 'completed', 'refused', 'failed')),
            origin text CHECK (origin IN ('firstload', 'snapshot')),
            file_name text NOT NULL, file_bytes bigint NOT NULL, sha256 text NOT NULL,
            received_at timestamptz NOT NULL, as_of timestamptz NOT NULL,
            unchanged jsonb NOT NULL DEFAULT '{}',
            dry_run boolean NOT NULL DEFAULT false, pulled boolean NOT NULL DEFAULT false,
            started_at timestamptz, finished_at timestamptz,
            attempts integer NOT NULL DEFAULT 0,
            percent integer NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
            reason text, report jsonb NOT NULL DEFAULT '{}', replay_id uuid,
            PRIMARY KEY (district_id, run_id), UNIQUE (run_id),
            CHECK (state IN ('waiting', 'running') OR finished_at IS NOT NULL)
        )
    """)
    op.execute("""
        CREATE INDEX run_open ON sis_ingest.run (received_at)
        WHERE state IN ('waiting', 'running')
    """)
    op.execute("CREATE INDEX run_received ON sis_ingest.run (district_id, received_at)")
    op.execute("CREATE INDEX run_delivery ON sis_ingest.run (district_id, delivery_id)")
    # Unlogged: a run whose rows are lost in a crash of the database reads its file again.
    # No key: rows come in as COPY gives them, and what is compared is compared as a set.
    op.execute(f"""
        CREATE UNLOGGED TABLE sis_ingest.snapshot_row (
            district_id text NOT NULL, run_id uuid NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}), sort_key text NOT NULL,
            row_number integer NOT NULL, external_id text NOT NULL,
            content_hash bytea NOT NULL, raw_hash bytea, deleted boolean NOT NULL,
            absent boolean NOT NULL, differs boolean NOT NULL, data text
        )
    """)
    # Unlogged too: it is empty when the rows are, so a run notices that they were lost.
    op.execute("""
        CREATE UNLOGGED TABLE sis_ingest.snapshot_stage (
            district_id text NOT NULL, run_id uuid NOT NULL, PRIMARY KEY (district_id, run_id)
        )
    """)
    op.execute("""
        CREATE INDEX snapshot_row_differing
        ON sis_ingest.snapshot_row (district_id, run_id, entity, deleted, sort_key, row_number)
        WHERE differs
    """)
    op.execute("""
        CREATE INDEX snapshot_row_matched
        ON sis_ingest.snapshot_row (district_id, run_id, entity, external_id)
        WHERE entity <> 'enrollment' AND entity <> 'demographics'
    """)


def _pairs() -> None:
    # Which ids of a run stand in place of others, compared once; unlogged as its rows are.
    op.execute(f"""
        CREATE UNLOGGED TABLE sis_ingest.snapshot_pair (
            district_id text NOT NULL, run_id uuid NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}), new_id text NOT NULL, old_id text NOT NULL,
            entity_id text NOT NULL,
            PRIMARY KEY (district_id, run_id, entity, new_id)
        )
    """)


def _drops() -> None:
    # One row a file: as it was when it was last taken.
    op.execute("""
        CREATE TABLE sis_ingest.taken_file (
            district_id text NOT NULL, source_id text NOT NULL, name text NOT NULL,
            size_bytes bigint NOT NULL, modified_at timestamptz NOT NULL,
            as_of timestamptz NOT NULL, sha256 text NOT NULL,
            run_id uuid NOT NULL, taken_at timestamptz NOT NULL,
            PRIMARY KEY (district_id, source_id, name)
        )
    """)


def _pulls() -> None:
    op.execute("""
        CREATE TABLE sis_ingest.pull (
            district_id text NOT NULL, pull_id uuid NOT NULL, source_id text NOT NULL,
            correlation_id text NOT NULL, mode text NOT NULL CHECK (mode IN ('full', 'delta')),
            state text NOT NULL CHECK (state IN ('waiting', 'running', 'completed', 'failed')),
            asked_at timestamptz NOT NULL, since text, mark text,
            dry_run boolean NOT NULL, started_at timestamptz, finished_at timestamptz,
            failures integer NOT NULL DEFAULT 0, restarts integer NOT NULL DEFAULT 0,
            reason text, full_because text, run_id uuid,
            sections jsonb NOT NULL DEFAULT '{}',
            PRIMARY KEY (district_id, pull_id), UNIQUE (pull_id),
            CHECK (state IN ('waiting', 'running') OR finished_at IS NOT NULL)
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX pull_open ON sis_ingest.pull (district_id, source_id)
        WHERE state IN ('waiting', 'running')
    """)
    op.execute("""
        CREATE INDEX pull_newest ON sis_ingest.pull (district_id, source_id, asked_at)
    """)


def _holds() -> None:
    op.execute(f"""
        CREATE TABLE sis_ingest.hold (
            district_id text NOT NULL, hold_id uuid NOT NULL, source_id text NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}),
            operation text NOT NULL CHECK (operation IN ('remove', 'add')),
            state text NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'expired')),
            count integer NOT NULL, population integer NOT NULL,
            limit_count integer NOT NULL, limit_share double precision NOT NULL,
            items_hash text NOT NULL,
            approvals text[] NOT NULL, approvals_needed integer NOT NULL,
            created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
            delivery_id uuid NOT NULL, correlation_id text NOT NULL, origin text NOT NULL,
            run_id uuid, sample text[] NOT NULL, reason text,
            released integer NOT NULL DEFAULT 0, done_at timestamptz,
            PRIMARY KEY (district_id, hold_id), UNIQUE (hold_id)
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX hold_open ON sis_ingest.hold (district_id, source_id, entity, operation)
        WHERE state = 'open'
    """)
    op.execute("""
        CREATE INDEX hold_waiting ON sis_ingest.hold (district_id, source_id, entity, operation)
        WHERE done_at IS NULL
    """)
    op.execute("CREATE INDEX hold_correlation ON sis_ingest.hold (correlation_id)")
    # The cause of each item is its own: several deliveries may fill one hold.
    op.execute("""
        CREATE TABLE sis_ingest.hold_item (
            district_id text NOT NULL, hold_id uuid NOT NULL, external_id text NOT NULL,
            data jsonb, content_hash bytea NOT NULL, version bigint,
            occurred_at timestamptz NOT NULL, absent boolean NOT NULL,
            delivery_id uuid NOT NULL, correlation_id text NOT NULL, origin text NOT NULL,
            PRIMARY KEY (district_id, hold_id, external_id),
            FOREIGN KEY (district_id, hold_id) REFERENCES sis_ingest.hold
        )
    """)
    op.execute("""
        CREATE INDEX hold_item_delivery ON sis_ingest.hold_item (district_id, delivery_id)
    """)
    op.execute("CREATE INDEX hold_item_correlation ON sis_ingest.hold_item (correlation_id)")
    op.execute(f"""
        CREATE TABLE sis_ingest.spent (
            district_id text NOT NULL, source_id text NOT NULL,
            entity text NOT NULL CHECK ({_ENTITIES}),
            operation text NOT NULL CHECK (operation IN ('remove', 'add')),
            cause_id uuid NOT NULL, spent_at timestamptz NOT NULL, count integer NOT NULL,
            PRIMARY KEY (district_id, source_id, entity, operation, cause_id)
        )
    """)


def _replays() -> None:
    op.execute("""
        CREATE TABLE sis_ingest.replay (
            district_id text NOT NULL, replay_id uuid NOT NULL, correlation_id text NOT NULL,
            requested_by text NOT NULL, dry_run boolean NOT NULL, as_of timestamptz,
            state text NOT NULL CHECK (state IN ('waiting', 'running', 'completed', 'failed')),
            asked_at timestamptz NOT NULL, started_at timestamptz, finished_at timestamptz,
            total integer NOT NULL, reason text, outcomes jsonb NOT NULL DEFAULT '{}',
            PRIMARY KEY (district_id, replay_id), UNIQUE (replay_id),
            CHECK (state IN ('waiting', 'running') OR finished_at IS NOT NULL)
        )
    """)
    # Deliveries not said again yet, in their order; a line goes with the effects of its delivery.
    op.execute("""
        CREATE TABLE sis_ingest.replay_item (
            district_id text NOT NULL, replay_id uuid NOT NULL, place integer NOT NULL,
            delivery_id uuid NOT NULL,
            PRIMARY KEY (district_id, replay_id, place),
            FOREIGN KEY (district_id, replay_id) REFERENCES sis_ingest.replay
        )
    """)
    op.execute("""
        CREATE INDEX replay_item_delivery ON sis_ingest.replay_item (district_id, delivery_id)
    """)
    # Summaries of ranges of pages, almost free at the door: for ranges of time, asked rarely.
    op.execute("""
        CREATE INDEX delivery_received ON sis_ingest.delivery USING brin (received_at)
    """)


def _uncounted() -> None:
    """No statement filters by content, and figures of it are most of what ANALYZE costs."""
    for table in ("source_record", "resolved_record", "snapshot_row"):
        op.execute(f"ALTER TABLE sis_ingest.{table} ALTER COLUMN data SET STATISTICS 0")
