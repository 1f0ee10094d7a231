"""`ExportDesk` on PostgreSQL: one row per export, written twice per package.

A lease only spares work; the generation is what keeps two processes from writing over each other.
Leases are told by the database's clock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from roster_common.runtime.database import Database
from roster_publisher.domain.export_schedule import ExportStanding, FilledFolder, ScheduledExport

_COLUMNS: Final = ("since", "files", "done_at", "not_before", "generation")

_OF: Final = f"""
    SELECT {", ".join(_COLUMNS)} FROM roster_publisher.export
    WHERE district_id = $1 AND client_id = $2 AND name = $3
"""
# An export never seen gets its row when it is to be written.
_MAKE: Final = """
    INSERT INTO roster_publisher.export (district_id, client_id, name)
    SELECT district_id, client_id, $3 FROM roster_publisher.client
    WHERE district_id = $1 AND client_id = $2
    ON CONFLICT DO NOTHING
"""
_FILL: Final = """
    INSERT INTO roster_publisher.export_folder (district_id, client_id, folder)
    VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
# Some dozens of rows, every few seconds; no index is needed.
# house: no-district — folders are the installation's
_ENDED: Final = """
    SELECT f.district_id, f.client_id, f.folder FROM roster_publisher.export_folder f
    WHERE NOT EXISTS (
        SELECT FROM roster_publisher.export_folder o
        JOIN roster_publisher.grant_ g USING (district_id, client_id)
        WHERE o.folder = f.folder AND (g.expires_at IS NULL OR g.expires_at > $1)
    )
"""
_BEGIN_ANEW: Final = """
    DELETE FROM roster_publisher.export
    WHERE district_id = $1 AND client_id = $2 AND split_part(name, '/', 1) = $3
"""
_FORGET: Final = """
    DELETE FROM roster_publisher.export_folder
    WHERE district_id = $1 AND client_id = $2 AND folder = $3
"""
# One row.
_CLAIM: Final = f"""
    UPDATE roster_publisher.export SET
        generation = generation + 1, holder = $5, lease_until = clock_timestamp() + $6::interval
    WHERE district_id = $1 AND client_id = $2 AND name = $3 AND generation = $4
      AND (lease_until IS NULL OR holder = $5 OR lease_until < clock_timestamp())
    RETURNING {", ".join(_COLUMNS)}
"""
_RENEW: Final = """
    UPDATE roster_publisher.export SET lease_until = clock_timestamp() + $5::interval
    WHERE district_id = $1 AND client_id = $2 AND name = $3 AND generation = $4
"""
_KEEP: Final = """
    UPDATE roster_publisher.export SET
        generation = generation + 1, holder = NULL, lease_until = NULL,
        since = $5, files = $6, done_at = $7, not_before = $8
    WHERE district_id = $1 AND client_id = $2 AND name = $3 AND generation = $4
"""


class PostgresExports:
    """`holder` names this process; a claim ends by itself after `lease` without a renewal."""

    def __init__(self, database: Database, *, holder: str, lease: timedelta) -> None:
        self._database = database
        self._holder = holder
        self._lease = lease

    async def of(self, export: ScheduledExport) -> ExportStanding:
        """As it stands; at the beginning for one never seen."""
        async with self._database.begin() as tx:
            row = await (await tx.driver()).fetchrow(_OF, *_key(export))
        return ExportStanding() if row is None else _standing(row)

    async def claim(
        self, export: ScheduledExport, standing: ExportStanding
    ) -> ExportStanding | None:
        """Take it to write one package; None when another process does, or it has moved on."""
        async with self._database.begin() as tx:
            driver = await tx.driver()
            if standing.generation == 0:
                await driver.execute(_MAKE, *_key(export))
            await driver.execute(_FILL, export.district_id, export.client_id, export.folder)
            row = await driver.fetchrow(
                _CLAIM, *_key(export), standing.generation, self._holder, self._lease
            )
        return None if row is None else _standing(row)

    async def renew(self, export: ScheduledExport, standing: ExportStanding) -> bool:
        """Hold it for longer. False when it is another's by now."""
        return await self._one(_RENEW, export, standing, self._lease)

    async def keep(self, export: ScheduledExport, standing: ExportStanding) -> bool:
        """Write what came of a claim and end it. False when it has moved on meanwhile."""
        files = sorted(standing.files)
        told = (standing.since, files, standing.done_at, standing.not_before)
        return await self._one(_KEEP, export, standing, *told)

    async def ended(self, now: datetime) -> Sequence[FilledFolder]:
        """Folders written for clients of whom none has a grant in force."""
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(_ENDED, now)
        return [FilledFolder(**dict(row)) for row in rows]

    async def begin_anew(self, folder: FilledFolder) -> None:
        """What is written there next is bulk. May run twice."""
        await self._of_folder(_BEGIN_ANEW, folder)

    async def forget(self, folder: FilledFolder) -> None:
        """Nothing is there any more. May run twice."""
        await self._of_folder(_FORGET, folder)

    async def _of_folder(self, sql: str, of: FilledFolder) -> None:
        async with self._database.begin() as tx:
            await (await tx.driver()).execute(sql, of.district_id, of.client_id, of.folder)

    async def _one(
        self, sql: str, export: ScheduledExport, standing: ExportStanding, *values: object
    ) -> bool:
        async with self._database.begin() as tx:
            driver = await tx.driver()
            status: str = await driver.execute(sql, *_key(export), standing.generation, *values)
        return status.endswith(" 1")


def _key(export: ScheduledExport) -> tuple[str, str, str]:
    return export.district_id, export.client_id, export.name


def _standing(row: asyncpg.Record) -> ExportStanding:
    told = {name: row[name] for name in _COLUMNS}
    return ExportStanding(**told | {"files": frozenset(row["files"])})
