"""The event log: counters, events, groups, and the relay's positions.

Pre: safe while older code runs (nothing exists before it).
"""

from alembic import op

from roster_common.runtime.log.positions import create_position_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the schema's tables; the day partitions are made by the keeper and at start."""
    op.execute("""
        CREATE TABLE log.head (
            topic text NOT NULL, partition integer NOT NULL CHECK (partition >= 0),
            next_offset bigint NOT NULL DEFAULT 0 CHECK (next_offset >= 0),
            PRIMARY KEY (topic, partition)
        ) WITH (fillfactor = 50)
    """)
    op.execute("""
        CREATE TABLE log.event (
            cleanup text NOT NULL CHECK (cleanup IN ('delete', 'compact')),
            topic text NOT NULL, partition integer NOT NULL, "offset" bigint NOT NULL,
            key text NOT NULL, headers json NOT NULL, value bytea,
            appended_at timestamptz NOT NULL
        ) PARTITION BY LIST (cleanup)
    """)
    op.execute("""
        CREATE TABLE log.event_compact PARTITION OF log.event FOR VALUES IN ('compact')
    """)
    op.execute("""
        CREATE UNIQUE INDEX event_compact_offset ON log.event_compact (topic, partition, "offset")
    """)
    op.execute("""
        CREATE INDEX event_compact_key ON log.event_compact (topic, partition, key, "offset")
    """)
    op.execute("""
        CREATE TABLE log.event_delete PARTITION OF log.event FOR VALUES IN ('delete')
        PARTITION BY RANGE (appended_at)
    """)
    op.execute("""
        CREATE INDEX event_delete_offset ON log.event_delete (topic, partition, "offset")
    """)
    op.execute("CREATE TABLE log.event_delete_default PARTITION OF log.event_delete DEFAULT")
    op.execute("""
        CREATE TABLE log.member (
            group_id text NOT NULL, member_id text NOT NULL, topics text[] NOT NULL,
            expires_at timestamptz NOT NULL, PRIMARY KEY (group_id, member_id)
        )
    """)
    op.execute("""
        CREATE TABLE log.lease (
            group_id text NOT NULL, topic text NOT NULL, partition integer NOT NULL,
            member_id text NOT NULL, expires_at timestamptz NOT NULL,
            PRIMARY KEY (group_id, topic, partition)
        )
    """)
    op.execute("""
        CREATE TABLE log.progress (
            group_id text NOT NULL, topic text NOT NULL, partition integer NOT NULL,
            log_id text NOT NULL, next_sequence bigint NOT NULL, reported_at timestamptz NOT NULL,
            PRIMARY KEY (group_id, topic, partition)
        )
    """)
    create_position_table(op, schema="log")
