"""Write the packages that are due into the folders of their vendors.

Safe to run in several processes: a claim lets one of them write. Runs twice harmlessly: after a
crash between file and commit the same is told again. Source: ADR 0027.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal, TypeAlias

from roster_publisher.domain.access import Grant
from roster_publisher.domain.csv_layout import Mode
from roster_publisher.domain.export_schedule import (
    AFTER_FAILURE,
    ExportStanding,
    ScheduledExport,
    file_name,
    file_prefix,
    is_due,
)
from roster_publisher.ports import Clock
from roster_publisher.ports.exporting import ExportDesk, Shelf
from roster_publisher.ports.vendors import Vendors
from roster_publisher.usecases.export_package import (
    ExportPackage,
    Package,
    PackageBroken,
    PackageRequest,
    files_of,
)
from roster_publisher.usecases.note_pulls import NotePulls

# Well within a claim's life.
RENEW_AFTER: Final = timedelta(seconds=15)
Outcome: TypeAlias = Literal["written", "unchanged", "waits", "no_grant", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What came of a look at an export, and when it was last up to date, whoever saw to it.

    `unchanged`: a delta was due and nothing had been published, so there is no file.
    """

    outcome: Outcome
    done_at: datetime | None


class WriteExports:
    """One export at a time; `zone_of` tells a district's time zone."""

    def __init__(
        self,
        export: ExportPackage,
        vendors: Vendors,
        desk: ExportDesk,
        shelf: Shelf,
        clock: Clock,
        notes: NotePulls,
        *,
        zone_of: Callable[[str], tzinfo],
    ) -> None:
        self._export = export
        self._vendors = vendors
        self._desk = desk
        self._shelf = shelf
        self._clock = clock
        self._notes = notes
        self._zone_of = zone_of

    async def __call__(self, export: ScheduledExport) -> Turn:
        """Write the package if it is due and nobody else does; commits where it then stands."""
        standing = await self._desk.of(export)
        now = self._clock.now()
        if not is_due(export, standing, now, self._zone_of(export.district_id)):
            return Turn(outcome="waits", done_at=standing.done_at)
        client = await self._vendors.client(export.client_id)
        if client is None or not client.grant.is_in_force(now):
            return Turn(outcome="no_grant", done_at=standing.done_at)
        if any(one.folder == export.folder for one in await self._desk.ended(now)):
            # Packages of another, whose folder it was, have to go first.
            return Turn(outcome="waits", done_at=standing.done_at)
        claimed = await self._desk.claim(export, standing)
        if claimed is None:
            return Turn(outcome="waits", done_at=standing.done_at)
        try:
            outcome, stands = await self._write(export, client.grant, claimed)
        except PackageBroken:
            await self._put_off(export, claimed)
            return Turn(outcome="broken", done_at=standing.done_at)
        except Exception:
            await self._put_off(export, claimed)
            raise
        await self._desk.keep(export, replace(stands, done_at=now, not_before=None))
        return Turn(outcome=outcome, done_at=now)

    async def _write(
        self, export: ScheduledExport, grant: Grant, claimed: ExportStanding
    ) -> tuple[Outcome, ExportStanding]:
        files = files_of(export.version, grant.token_scopes)
        names = frozenset(file.name for file in files)
        # A file that was not told before has no beginning that a delta could go on from.
        goes_on = export.mode == "delta" and names <= claimed.files
        mode, made = await self._package(export, grant, claimed.since if goes_on else None)
        stands = replace(claimed, since=made.next_since, files=names)
        if mode == "delta" and made.next_since == claimed.since:
            # It would have the name of the delta before, and take that one's place.
            return "unchanged", stands
        with self._notes.noting("export") as noted:
            noted.of, noted.what, noted.by = grant, "oneroster.zip", "schedule"
            noted.detail, noted.revision = f"{export.version} {mode}", made.revision
            await self._shelf.put(
                export.folder,
                file_name(export.version, mode, made.next_since),
                self._held(export, claimed, made.chunks),
                prefix=file_prefix(export.version, mode),
                keep=export.keep,
            )
            noted.entities = tuple(dict.fromkeys(f.collection.entity for f in files))
            noted.status, noted.rows = 200, made.tally.records
        return "written", stands

    async def _package(
        self, export: ScheduledExport, grant: Grant, since: datetime | None
    ) -> tuple[Mode, Package]:
        """A delta behind `since`; bulk without one, or when no delta can tell what happened."""
        request = PackageRequest(
            grant=grant, token_scopes=grant.token_scopes, version=export.version, since=since
        )
        made = await self._export(request)
        if isinstance(made, Package):
            return request.mode, made
        made = await self._export(replace(request, since=None))
        if not isinstance(made, Package):
            raise PackageBroken("no_bulk")
        return "bulk", made

    async def _held(
        self, export: ScheduledExport, claimed: ExportStanding, chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        """The chunks, as long as the claim is ours; it is ours at the end."""
        renewed = self._clock.now()
        async for chunk in chunks:
            yield chunk
            if self._clock.now() - renewed >= RENEW_AFTER:
                await self._ensure_held(export, claimed)
                renewed = self._clock.now()
        await self._ensure_held(export, claimed)

    async def _ensure_held(self, export: ScheduledExport, claimed: ExportStanding) -> None:
        if not await self._desk.renew(export, claimed):
            raise PackageBroken("another_writes")

    async def _put_off(self, export: ScheduledExport, claimed: ExportStanding) -> None:
        later = self._clock.now() + AFTER_FAILURE
        await self._desk.keep(export, replace(claimed, not_before=later))
