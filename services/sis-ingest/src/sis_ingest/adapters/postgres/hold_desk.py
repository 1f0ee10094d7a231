"""Reads of holds for the door, the loop and readiness, outside any transaction of ours."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from roster_common.runtime.database import Database
from sis_ingest.adapters.postgres.hold_rows import to_hold
from sis_ingest.domain.entities import id_space
from sis_ingest.domain.flips import Order, Waiting
from sis_ingest.domain.guards import Hold
from sis_ingest.domain.identity import candidate_id

# Purpose: a page of holds, newest first. Rows: one page. Small table.
_LIST: Final = """
SELECT *, count(*) OVER () AS total FROM sis_ingest.hold
WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR source_id = $2)
  AND ($3::text IS NULL OR state = $3)
ORDER BY created_at DESC, hold_id DESC LIMIT $4 OFFSET $5
"""

# Purpose: how many holds there are beyond the last page. Rows: 1. Small table.
_TOTAL: Final = """
SELECT count(*) FROM sis_ingest.hold
WHERE ($1::text[] IS NULL OR district_id = ANY($1)) AND ($2::text IS NULL OR source_id = $2)
  AND ($3::text IS NULL OR state = $3)
"""

# Purpose: one hold by its id. Rows: 0 or 1. Index: hold_id.
# house: no-district — a hold id is unique over all districts; the door checks whose it is
_GET: Final = "SELECT * FROM sis_ingest.hold WHERE hold_id = $1"

# Purpose: a page of what is held, by our ids. Rows: one page. Index: primary key, and the
# crosswalk's by outside id for each.
_ITEMS: Final = """
SELECT c.entity_id, i.external_id FROM sis_ingest.hold_item i
LEFT JOIN sis_ingest.crosswalk c
  ON c.district_id = $1 AND c.source_id = $3 AND c.entity = $4
 AND c.external_id = i.external_id AND c.valid_to IS NULL
WHERE i.district_id = $1 AND i.hold_id = $2
ORDER BY i.external_id LIMIT $5 OFFSET $6
"""

# Purpose: the approved hold to release next, but for flips, which begin in their own way. Rows: 0
# or 1. Small tables.
# house: no-district — one worker serves every district
_APPROVED: Final = """
SELECT * FROM sis_ingest.hold h
WHERE state = 'approved' AND done_at IS NULL AND hold_id <> ALL($1::uuid[])
  AND NOT EXISTS (SELECT FROM sis_ingest.flip f
      WHERE f.district_id = h.district_id AND f.flip_id = h.hold_id)
ORDER BY created_at LIMIT 1
"""

# Purpose: open holds whose time is over. Rows: few. Small table.
# house: no-district — one worker serves every district
_DUE: Final = """
SELECT * FROM sis_ingest.hold WHERE state = 'open' AND expires_at <= $1 ORDER BY expires_at
"""

# Purpose: how many holds wait for a person, and the moment the next one ends. Rows: 1.
# house: no-district — readiness is of the whole process
_OPEN: Final = """
SELECT count(*) AS open, min(expires_at) AS next_end FROM sis_ingest.hold WHERE state = 'open'
"""


# Purpose: the flip behind a hold, with who speaks there today. Rows: 0 or 1. Primary keys.
_FLIP: Final = """
SELECT f.school_id, f.source_id, f.retells, coalesce(own.source_id, d.source_id) AS speaks
FROM sis_ingest.flip f
LEFT JOIN sis_ingest.authority own ON own.district_id = $1 AND own.school_id = f.school_id
LEFT JOIN sis_ingest.authority d ON d.district_id = $1 AND d.school_id = ''
WHERE f.district_id = $1 AND f.flip_id = $2
"""

# Purpose: what a flip's hold names, counted. Rows: up to 8. Index: primary key, all items.
_COUNTS: Final = """
SELECT split_part(external_id, '/', 1) AS action, split_part(external_id, '/', 2) AS entity,
    count(*) AS count
FROM sis_ingest.hold_item WHERE district_id = $1 AND hold_id = $2
GROUP BY 1, 2 ORDER BY 1 DESC, 2
"""


class PostgresHoldDesk:
    """`ports.HoldDesk`, on the raw read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        districts: Collection[str] | None,
        source_id: str | None,
        state: str | None,
        *,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[Hold]]:
        """See the port."""
        wanted = (None if districts is None else list(districts), source_id, state)
        pool = await self._database.pool()
        rows = await pool.fetch(_LIST, *wanted, limit, offset)
        total = rows[0]["total"] if rows else await pool.fetchval(_TOTAL, *wanted)
        return total, [to_hold(row) for row in rows]

    async def get(self, hold_id: str) -> Hold | None:
        """See the port."""
        try:
            wanted = uuid.UUID(hold_id)
        except ValueError:
            return None
        row = await (await self._database.pool()).fetchrow(_GET, wanted)
        return None if row is None else to_hold(row)

    async def flip(self, hold: Hold) -> Waiting | None:
        """See the port."""
        pool = await self._database.pool()
        district_id = hold.place.district_id
        flip = await pool.fetchrow(_FLIP, district_id, hold.hold_id)
        if flip is None:
            return None
        counts: dict[str, dict[str, int]] = {}
        for row in await pool.fetch(_COUNTS, district_id, hold.hold_id):
            counts.setdefault(row["action"], {})[row["entity"]] = row["count"]
        order = Order(
            district_id=district_id,
            school_id=flip["school_id"],
            source_id=flip["source_id"],
            retells=flip["retells"],
        )
        return Waiting(order=order, speaks_today=flip["speaks"], counts=counts)

    async def items(self, hold: Hold, *, limit: int, offset: int) -> Sequence[str | None]:
        """See the port."""
        pool = await self._database.pool()
        place, space = hold.place, id_space(hold.entity)
        rows = await pool.fetch(
            _ITEMS, place.district_id, hold.hold_id, place.source_id, space, limit, offset
        )
        return [row["entity_id"] or candidate_id(row["external_id"]) for row in rows]

    async def approved(self, *, resting: Collection[str] = ()) -> Hold | None:
        """See the port."""
        row = await (await self._database.pool()).fetchrow(_APPROVED, list(resting))
        return None if row is None else to_hold(row)

    async def due(self, now: datetime) -> Sequence[Hold]:
        """See the port."""
        rows = await (await self._database.pool()).fetch(_DUE, now)
        return [to_hold(row) for row in rows]

    async def figures(self) -> Mapping[str, int | str | None]:
        """Open holds, and when the next one ends by itself, for readiness."""
        (row,) = await (await self._database.pool()).fetch(_OPEN)
        end = row["next_end"]
        return {"open": row["open"], "nextEndsAt": None if end is None else end.isoformat()}
