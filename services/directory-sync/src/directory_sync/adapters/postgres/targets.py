"""Where targets stand, in PostgreSQL: table target. Raw driver."""

from datetime import datetime
from typing import Final

import asyncpg

from directory_sync.domain.ids import DistrictId, TargetId
from directory_sync.domain.target_state import TargetState

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
STATE: Final = """
    SELECT first_read_at, first_read_accounts, live_at, last_read_at, last_read_outcome
    FROM directory_sync.target WHERE district_id = $1 AND target_id = $2
"""
_NOTE_READ = """
    INSERT INTO directory_sync.target (district_id, target_id, first_read_at, first_read_accounts)
    VALUES ($1, $2, $4, $3) ON CONFLICT (district_id, target_id) DO NOTHING
"""
_READ_AFRESH = """
    DELETE FROM directory_sync.target
    WHERE district_id = $1 AND target_id = $2 AND live_at IS NULL
"""
_GO_LIVE = """
    UPDATE directory_sync.target SET live_at = $3, last_read_at = first_read_at
    WHERE district_id = $1 AND target_id = $2 AND live_at IS NULL
"""


class PostgresTargets:
    """Where each target stands, inside one transaction."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def lock(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Keep everybody else who plans or decides for this target out until the end."""
        await self._driver.execute(_LOCK, f"directory_sync/{district_id}/{target_id}")

    async def lock_removals(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Keep everybody else who judges or decides removals from groups out until the end."""
        await self._driver.execute(_LOCK, f"directory_sync/removals/{district_id}/{target_id}")

    async def state(self, district_id: DistrictId, target_id: TargetId) -> TargetState | None:
        """None when the target was never read whole."""
        row = await self._driver.fetchrow(STATE, district_id, target_id)
        return None if row is None else state_of(row)

    async def note_first_read(
        self, district_id: DistrictId, target_id: TargetId, *, accounts: int, now: datetime
    ) -> None:
        """Remember that the whole target was read."""
        await self._driver.execute(_NOTE_READ, district_id, target_id, accounts, now)

    async def read_afresh(self, district_id: DistrictId, target_id: TargetId) -> None:
        """Forget the first reading of a target that is not live, so that it is read again."""
        await self._driver.execute(_READ_AFRESH, district_id, target_id)

    async def go_live(self, district_id: DistrictId, target_id: TargetId, *, now: datetime) -> None:
        """From now on rounds change the target."""
        await self._driver.execute(_GO_LIVE, district_id, target_id, now)


def state_of(row: asyncpg.Record) -> TargetState:
    """The state in a row of `STATE`."""
    return TargetState(
        first_read_at=row["first_read_at"],
        accounts=row["first_read_accounts"],
        live_at=row["live_at"],
        last_read_at=row["last_read_at"],
        last_read_outcome=row["last_read_outcome"],
    )
