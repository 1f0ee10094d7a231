"""Keeps which roles and profiles of users went, for deltas in files. Runs inside the publishing
transaction, before the users are written over; commits nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from roster_publisher.domain.parts import gone_parts
from roster_publisher.ports.publishing import Publication

# What was shown of the users of a batch. A row per user that is written over; primary key.
_BEFORE: Final = """
    SELECT o.sourced_id, o.identifiers, o.refs
    FROM unnest($2::text[]) AS w(sourced_id)
    CROSS JOIN LATERAL (
        SELECT sourced_id, identifiers, refs FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'user' AND sourced_id = w.sourced_id COLLATE "C"
          AND shown LIMIT 1) AS o
"""
# Few rows, none as a rule.
_KEEP: Final = """
    INSERT INTO roster_publisher.gone_part
        (district_id, user_id, part_id, file, org_id, cells, revision, stamp)
    SELECT $1, w.user_id, w.part_id, w.file, w.org_id, w.cells::jsonb, $2, $3
    FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        AS w(user_id, part_id, file, org_id, cells)
"""


async def keep_gone_parts(
    driver: asyncpg.Connection,
    district_id: str,
    publications: Sequence[Publication],
    *,
    revision: int,
    stamp: datetime,
) -> None:
    """Keep what the users among `publications` have no more."""
    after = {
        one.draft.key.sourced_id: (one.fragments.identifiers, one.fragments.refs)
        for one in publications
        if one.draft.key.entity == "user" and one.before is not None and one.before.shown
    }
    if not after:
        return
    rows = [
        (user_id, part.part_id, part.file, part.org_id, orjson.dumps(part.cells).decode())
        for user_id, *before in await driver.fetch(_BEFORE, district_id, sorted(after))
        for part in gone_parts(user_id, before, after[user_id])
    ]
    if rows:
        columns = zip(*rows, strict=True)
        await driver.execute(_KEEP, district_id, revision, stamp, *map(list, columns))
