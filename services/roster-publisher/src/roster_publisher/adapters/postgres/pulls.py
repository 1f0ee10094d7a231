"""`Pulls` on PostgreSQL: saved in the background, because opening a pull must not cost a commit.

A crash loses the last moments; the client's next page then opens a pull at a newer revision, which
`X-Roster-Revision` shows.
"""

from datetime import datetime
from typing import Final, Protocol

from roster_common.runtime.database import Database
from roster_publisher.domain.queries import Pull

_FLUSH_EVERY_S: Final = 0.2
_ACQUIRE_TIMEOUT_S: Final = 10.0
_TIMEOUT_S: Final = 10.0

# One row per pull saved since the last turn; primary key.
_SAVE: Final = """
    INSERT INTO roster_publisher.pull
        (district_id, client_id, query_hash, revision, total, expires_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[],
                         $6::timestamptz[])
    ON CONFLICT (district_id, client_id, query_hash) DO UPDATE SET
        revision = excluded.revision, total = excluded.total, expires_at = excluded.expires_at
"""

_LOAD: Final = """
    SELECT revision, total, expires_at FROM roster_publisher.pull
    WHERE district_id = $1 AND client_id = $2 AND query_hash = $3 AND expires_at > $4
"""


class StopSignal(Protocol):
    """What the lifecycle gives a loop."""

    def is_set(self) -> bool:
        """True once the process is to stop."""
        ...

    async def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`; True when stopping."""
        ...


class PostgresPulls:
    """Keeps what is to be saved by key, so that opening a pull again and again is one row."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unsaved: dict[tuple[str, str, bytes], Pull] = {}

    async def load(
        self, district_id: str, client_id: str, query_hash: bytes, *, now: datetime
    ) -> Pull | None:
        """The pull, if it is alive."""
        pool = await self._database.pool()
        async with pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
            row = await connection.fetchrow(
                _LOAD, district_id, client_id, query_hash, now, timeout=_TIMEOUT_S
            )
        return None if row is None else Pull(**dict(row))

    def save(self, district_id: str, client_id: str, query_hash: bytes, pull: Pull) -> None:
        """Write it with the next turn of `run`."""
        self._unsaved[district_id, client_id, query_hash] = pull

    async def run(self, stopping: StopSignal) -> None:
        """Save what has gathered, several times a second, and once more at the stop."""
        while not await stopping.wait(_FLUSH_EVERY_S):
            await self.flush()
        await self.flush()

    async def flush(self) -> None:
        """Save what has gathered; what could not be saved stays for the next turn."""
        if not self._unsaved:
            return
        batch, self._unsaved = self._unsaved, {}
        keys = sorted(batch)
        pool = await self._database.pool()
        try:
            async with pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
                await connection.execute(
                    _SAVE,
                    [key[0] for key in keys],
                    [key[1] for key in keys],
                    [key[2] for key in keys],
                    [batch[key].revision for key in keys],
                    [batch[key].total for key in keys],
                    [batch[key].expires_at for key in keys],
                    timeout=_TIMEOUT_S,
                )
        except BaseException:
            self._unsaved = batch | self._unsaved
            raise
