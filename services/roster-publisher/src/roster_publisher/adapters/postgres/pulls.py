"""`Pulls` on PostgreSQL, on the lines of vendors' reads. Opening one waits for no disk.

A crash of the database loses the last moments; the client's next page then opens a pull at a newer
revision, which `X-Roster-Revision` shows.
"""

from datetime import datetime
from typing import Final

from roster_publisher.adapters.postgres.lines import ReadLines
from roster_publisher.domain.queries import Pull

# One row; primary key. Seen by everybody at once, on the disk a little later.
_SAVE: Final = """
    INSERT INTO roster_publisher.pull
        (district_id, client_id, query_hash, revision, total, expires_at)
    SELECT $1::text, $2::text, $3::bytea, $4::bigint, $5::bigint, $6::timestamptz
    WHERE set_config('synchronous_commit', 'off', true) = 'off'
    ON CONFLICT (district_id, client_id, query_hash) DO UPDATE SET
        revision = excluded.revision, total = excluded.total, expires_at = excluded.expires_at
"""

_LOAD: Final = """
    SELECT revision, total, expires_at FROM roster_publisher.pull
    WHERE district_id = $1 AND client_id = $2 AND query_hash = $3 AND expires_at > $4
"""


class PostgresPulls:
    """One statement each, a transaction of its own."""

    def __init__(self, lines: ReadLines) -> None:
        self._lines = lines

    async def load(
        self, district_id: str, client_id: str, query_hash: bytes, *, now: datetime
    ) -> Pull | None:
        """The pull, if it is alive."""
        row = await self._lines.row(_LOAD, district_id, client_id, query_hash, now)
        return None if row is None else Pull(**dict(row))

    async def save(self, district_id: str, client_id: str, query_hash: bytes, pull: Pull) -> None:
        """Open it in the place of the one before; every process sees it when this returns."""
        await self._lines.row(
            _SAVE,
            district_id,
            client_id,
            query_hash,
            pull.revision,
            pull.total,
            pull.expires_at,
        )
