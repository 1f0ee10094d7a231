"""Keeps what a scope last saw of a record that leaves it, in `last_seen`.

Without anything that a valid tombstone does not need. One row serves every scope that loses the
record in a commit. Runs inside the publishing transaction. Source: blueprint, invariant 7.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import asyncpg

from roster_publisher.domain.fragments import BLANK_NAMES, stamp_text
from roster_publisher.domain.records import Key

# Keeps the version before this commit, which history holds if the record itself was written.
# Text: `base` begins with sourcedId, status and dateLastModified. A row per record that left.
_KEEP_LAST: Final = """
    INSERT INTO roster_publisher.last_seen
        (district_id, entity, sourced_id, status, stamp, correlation_id, kind, user_id, class_id,
         course_id, school_id, parent_id, term_ids, roles, roles_at, scope_ids, base, names, refs,
         revision, left_rev)
    SELECT $1, v.entity, v.sourced_id, 'tobedeleted', $6, t.correlation_id, v.kind, v.user_id,
           v.class_id, v.course_id, v.school_id, v.parent_id, v.term_ids, v.roles, v.roles_at,
           v.scope_ids,
           left(v.base, v.stamp_at - length(v.status) - 13) || '"status":"tobedeleted",'
               || '"dateLastModified":"' || $7 || substr(v.base, v.stamp_at + 44),
           CASE WHEN v.entity = 'user' THEN $8 ELSE '' END, v.refs, v.revision, $5
    FROM unnest($2::text[], $3::text[], $4::text[]) AS t(entity, sourced_id, correlation_id)
    CROSS JOIN LATERAL (
        SELECT *, position('"dateLastModified":"' IN u.base) AS stamp_at FROM (
            SELECT h.entity, h.sourced_id, h.status, h.kind, h.user_id, h.class_id, h.course_id,
                   h.school_id, h.parent_id, h.term_ids, h.roles, h.roles_at, h.scope_ids,
                   h.base, h.refs, h.rev_from AS revision
            FROM roster_publisher.object_history h
            WHERE h.district_id = $1 AND h.entity = t.entity
              AND h.sourced_id = t.sourced_id COLLATE "C" AND h.rev_to = $5
            UNION ALL
            SELECT o.entity, o.sourced_id, o.status, o.kind, o.user_id, o.class_id, o.course_id,
                   o.school_id, o.parent_id, o.term_ids, o.roles, o.roles_at, o.scope_ids,
                   o.base, o.refs, o.revision
            FROM roster_publisher.object o
            WHERE o.district_id = $1 AND o.entity = t.entity
              AND o.sourced_id = t.sourced_id COLLATE "C"
              AND o.shown AND o.revision < $5) AS u
        LIMIT 1) AS v
    ON CONFLICT DO NOTHING
"""


async def keep_last(
    driver: asyncpg.Connection,
    district_id: str,
    lost: Mapping[Key, str],
    *,
    revision: int,
    stamp: datetime,
) -> None:
    """Keep the records `lost`, with the correlation id of what took them away. May run twice."""
    if not lost:
        return
    keys = sorted(lost)
    await driver.execute(
        _KEEP_LAST,
        district_id,
        [key.entity for key in keys],
        [key.sourced_id for key in keys],
        [lost[key] for key in keys],
        revision,
        stamp,
        stamp_text(stamp),
        BLANK_NAMES,
    )
