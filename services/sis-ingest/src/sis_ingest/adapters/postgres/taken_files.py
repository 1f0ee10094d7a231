"""Which files of drops were taken, in PostgreSQL: `sis_ingest.taken_file`. The caller commits."""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.drops import Listed, Taken
from sis_ingest.domain.runs import Run
from sis_ingest.ports.drops import AlreadyTaken

# Purpose: as what files were last taken. Rows: one each at most. Index: primary key.
_KNOWN: Final = """
SELECT name, size_bytes, modified_at, as_of FROM sis_ingest.taken_file
WHERE district_id = $1 AND source_id = $2 AND name = ANY($3::text[])
"""

# Purpose: keep files as they are taken now. Rows: those that do not stand so already.
# Index: primary key.
_REMEMBER: Final = """
INSERT INTO sis_ingest.taken_file AS t
    (district_id, source_id, name, size_bytes, modified_at, as_of, sha256, run_id, taken_at)
SELECT $1, $2, name, size_bytes, modified_at, as_of, $3, $4, $5
FROM unnest($6::text[], $7::bigint[], $8::timestamptz[], $9::timestamptz[])
    AS f(name, size_bytes, modified_at, as_of)
ON CONFLICT (district_id, source_id, name) DO UPDATE
SET size_bytes = excluded.size_bytes, modified_at = excluded.modified_at,
    as_of = excluded.as_of, sha256 = excluded.sha256, run_id = excluded.run_id,
    taken_at = excluded.taken_at
"""

# Purpose: another look at the same drop waits here, and then sees what this one took. Rows: 1.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('sis_ingest/drop/' || $1, 0))"


class PostgresTakenFiles:
    """`ports.drops.TakenFiles`."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def known(self, place: Place, names: Sequence[str]) -> Mapping[str, Taken]:
        """See the port."""
        rows = await self._driver.fetch(_KNOWN, place.district_id, place.source_id, list(names))
        return {
            row["name"]: Taken(
                file=Listed(
                    name=row["name"], size_bytes=row["size_bytes"], modified_at=row["modified_at"]
                ),
                as_of=row["as_of"],
            )
            for row in rows
        }

    async def remember(self, run: Run, files: Sequence[Taken]) -> None:
        """See the port. Waits for another transaction that takes files of the source."""
        place = run.place
        await self._driver.execute(_LOCK, place.source_id)
        known = await self.known(place, [one.file.name for one in files])
        if all(one.file.name in known and known[one.file.name].file == one.file for one in files):
            raise AlreadyTaken("taken by another process")
        await self._driver.execute(
            _REMEMBER,
            place.district_id,
            place.source_id,
            run.sha256,
            run.run_id,
            run.received_at,
            [one.file.name for one in files],
            [one.file.size_bytes for one in files],
            [one.file.modified_at for one in files],
            [one.as_of for one in files],
        )
