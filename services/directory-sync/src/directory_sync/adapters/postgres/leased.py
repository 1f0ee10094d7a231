"""What the queues of marks have in common: leases, generations and times to come again.

Raw driver. Ids stand in arrays, not in joins: a join would be planned by the queue's figures, which
are always old.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Final, Generic, TypeVar

import asyncpg

from directory_sync.domain.ids import DistrictId, TargetId

# Marks of these wait behind single changes (lane 1).
BULK_ORIGINS: Final = frozenset({"firstload", "republish", "snapshot"})

KeyT = TypeVar("KeyT", bound=str)

_RENEW = """
    UPDATE directory_sync.{table} SET lease_until = $4
    WHERE district_id = $1 AND target_id = $2 AND lease_token = $3
"""
_HELD = """
    SELECT {key} AS key FROM directory_sync.{table}
    WHERE district_id = $1 AND target_id = $2 AND lease_token = $3
    ORDER BY {key} FOR UPDATE
"""
_FINISH = """
    DELETE FROM directory_sync.{table}
    WHERE district_id = $1 AND target_id = $2 AND {key} = ANY($3::text[])
      AND generation = ($4::bigint[])[array_position($3::text[], {key})]
"""
_COME_AGAIN = """
    UPDATE directory_sync.{table}
    SET lease_token = NULL, lease_until = NULL, attempts = 0, next_attempt_at = $4
    WHERE district_id = $1 AND target_id = $2 AND {key} = ANY($3::text[])
"""
# A newer mark came meanwhile: it is due at once, whatever the older one's retry says.
_RETRY = """
    UPDATE directory_sync.{table} d
    SET lease_token = NULL, lease_until = NULL,
        last_error_code = ($5::text[])[array_position($3::text[], d.{key})],
        next_attempt_at = CASE WHEN d.attempts = 0 THEN d.next_attempt_at
            ELSE ($4::timestamptz[])[array_position($3::text[], d.{key})] END
    WHERE d.district_id = $1 AND d.target_id = $2 AND d.{key} = ANY($3::text[])
"""


class Leased(Generic[KeyT]):
    """A queue's leases, inside one transaction. A queue names its table and the key of a mark."""

    TABLE: ClassVar[str]
    KEY: ClassVar[str]

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    def _sql(self, statement: str) -> str:
        return statement.format(table=self.TABLE, key=self.KEY)

    async def renew(
        self, district_id: DistrictId, target_id: TargetId, *, token: str, lease_until: datetime
    ) -> None:
        """Keep what is still under this lease for longer."""
        await self._driver.execute(self._sql(_RENEW), district_id, target_id, token, lease_until)

    async def finish(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        done: Mapping[KeyT, int],
        *,
        now: datetime,
    ) -> None:
        """Remove marks of these generations; a newer mark stays and is due at once."""
        keys, key = list(done), (district_id, target_id)
        await self._driver.execute(self._sql(_FINISH), *key, keys, list(done.values()))
        await self._driver.execute(self._sql(_COME_AGAIN), *key, keys, now)

    async def _under(
        self, district_id: DistrictId, target_id: TargetId, token: str
    ) -> Sequence[str]:
        """The keys still under this lease, locked until the transaction ends."""
        rows = await self._driver.fetch(self._sql(_HELD), district_id, target_id, token)
        return [row["key"] for row in rows]

    async def _give_back(
        self,
        district_id: DistrictId,
        target_id: TargetId,
        again: Sequence[tuple[KeyT, datetime, str]],
    ) -> None:
        """Give leases back: each key, its time to come again, the code of what stopped it."""
        await self._driver.execute(
            self._sql(_RETRY),
            district_id,
            target_id,
            [key for key, _, _ in again],
            [at for _, at, _ in again],
            [code for _, _, code in again],
        )
