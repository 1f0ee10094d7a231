"""Write what a grant sees as a OneRoster CSV package, from one revision, piece by piece.

Nothing is kept but the rows of one page and what the packer holds back. Reads only.
Source: ADR 0027.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from roster_common.csv_formulas import METADATA
from roster_publisher.domain.access import AgreementEnded, Grant
from roster_publisher.domain.csv_layout import FILES, MANIFEST, File, Mode, Version, manifest
from roster_publisher.domain.csv_rows import Told, rows_of
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.v1p1 import v1p1_scopes
from roster_publisher.ports import Clock
from roster_publisher.ports.packing import OpenPacker, PackageReads, Packer
from roster_publisher.ports.reading import RosterReads
from roster_publisher.ports.vendors import Vendors
from roster_publisher.usecases.package_pages import PackagePages
from roster_publisher.usecases.shape_bodies import ShapeBodies

MOST_METADATA: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest:
    """`since` is for a delta: the stamp up to which the vendor has everything."""

    grant: Grant
    token_scopes: frozenset[str]
    version: Version
    since: datetime | None = None

    @property
    def mode(self) -> Mode:
        """A delta begins somewhere."""
        return "bulk" if self.since is None else "delta"


@dataclass(slots=True)
class Tally:
    """Records of a package told so far; people once for each of their files."""

    records: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package to be sent: `chunks` are bytes of a zip; the next delta begins at `next_since`;
    `tally` counts what has been told.
    """

    revision: int
    next_since: datetime
    chunks: AsyncGenerator[bytes, None]
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAnew:
    """No delta can tell all that happened since: a bulk package is what helps."""

    reason: Literal["since_gone", "view_changed"]


class PackageBroken(Exception):
    """The package cannot be ended: what was sent of it must not pass for one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Outcome: TypeAlias = Package | StartAnew


class ExportPackage:
    """Packages of a district, as its vendors see it. Deletions are told for `keep`."""

    def __init__(
        self,
        reads: RosterReads,
        packages: PackageReads,
        shape: ShapeBodies,
        vendors: Vendors,
        packer: OpenPacker,
        clock: Clock,
        *,
        keep: timedelta,
    ) -> None:
        self._reads = reads
        self._packages = packages
        self._shape = shape
        self._vendors = vendors
        self._packer = packer
        self._clock = clock
        self._keep = keep

    async def __call__(self, request: PackageRequest) -> Outcome:
        """The package at the newest revision, read while it is sent.

        Its chunks raise `PackageBroken` when history does not last until its end, or when the
        grant ends or shows something else meanwhile.
        """
        grant, since = request.grant, request.since
        if since is not None and since < self._clock.now() - self._keep:
            return StartAnew(reason="since_gone")
        if since is not None and grant.since_stamp is not None and since < grant.since_stamp:
            return StartAnew(reason="view_changed")
        edition = await self._packages.edition(grant.district_id)
        # Before the first publication there is nothing that could be missed.
        stamp = edition.stamp or self._clock.now() - timedelta(days=1)
        tally = Tally()
        return Package(
            revision=edition.revision,
            next_since=stamp,
            chunks=self._chunks(request, edition.revision, stamp, tally),
            tally=tally,
        )

    async def _chunks(
        self, request: PackageRequest, revision: int, stamp: datetime, tally: Tally
    ) -> AsyncGenerator[bytes, None]:
        pages = PackagePages(
            self._reads,
            self._packages,
            self._shape,
            request.grant,
            since=request.since,
            revision=revision,
            stamp=stamp,
        )
        packer = self._packer()
        try:
            async for chunk in self._files(request, pages, packer, revision, tally):
                yield chunk
            await self._ensure_lasts(request, revision)
            yield packer.end()
        except AgreementEnded:
            raise PackageBroken("agreement_ended") from None
        finally:
            packer.give_up()

    async def _files(
        self,
        request: PackageRequest,
        pages: PackagePages,
        packer: Packer,
        revision: int,
        tally: Tally,
    ) -> AsyncIterator[bytes]:
        files = files_of(request.version, request.token_scopes)
        packer.open(MANIFEST)
        yield packer.write(manifest(request.version, request.mode, files))
        for file in files:
            query = CollectionQuery(grant=request.grant, collection=file.collection)
            metadata = await self._metadata(file, query, revision)
            packer.open(f"{file.name}.csv")
            yield packer.write([file.header(metadata)])
            async for told in pages.of(query, with_parts=file.parts):
                await self._ensure_lasts(request, revision)
                tally.records += len(told)
                # Compressing takes its time, and others are served meanwhile.
                yield await asyncio.to_thread(
                    _write, packer, request, file=file, told=told, metadata=metadata
                )

    async def _metadata(self, file: File, query: CollectionQuery, revision: int) -> Sequence[str]:
        if file.parts:
            return ()
        names = await self._packages.metadata_names(
            query, revision=revision, most=MOST_METADATA + 1
        )
        if len(names) > MOST_METADATA:
            raise PackageBroken("too_many_metadata_names")
        entity, dropped = file.collection.entity, query.grant.drops
        return [name for name in names if not dropped(f"{METADATA}{name}", entity)]

    async def _ensure_lasts(self, request: PackageRequest, revision: int) -> None:
        """Raise `PackageBroken` if what was just read may be no longer whole, or no longer sent."""
        grant = request.grant
        oldest, _ = await self._reads.revisions(grant.district_id)
        if revision < oldest:
            raise PackageBroken("history_gone")
        client = await self._vendors.client(grant.client_id)
        if client is None or client.grant.district_id != grant.district_id:
            raise PackageBroken("client_ended")
        now = client.grant
        if not now.is_in_force(self._clock.now()):
            raise PackageBroken("agreement_ended")
        if now.shows != grant.shows or not request.token_scopes <= now.token_scopes:
            raise PackageBroken("view_changed")


def files_of(version: Version, token_scopes: frozenset[str]) -> Sequence[File]:
    """The files that token scopes open, of either version of the interface."""
    return [
        file
        for file in FILES[version]
        if token_scopes & (file.collection.scopes | v1p1_scopes(file.collection))
    ]


def _write(
    packer: Packer,
    request: PackageRequest,
    *,
    file: File,
    told: Sequence[Told],
    metadata: Sequence[str],
) -> bytes:
    version, mode = request.version, request.mode
    return packer.write(
        row
        for one in told
        for row in rows_of(file, one, version=version, mode=mode, metadata=metadata)
    )
