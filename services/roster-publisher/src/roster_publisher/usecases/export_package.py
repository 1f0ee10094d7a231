"""Write what a grant sees as a OneRoster CSV package, from one revision, piece by piece.

Nothing is kept but the rows of one page and what the packer holds back. Reads only.
Source: ADR 0027.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from roster_publisher.domain.access import Grant
from roster_publisher.domain.csv_layout import FILES, MANIFEST, File, Mode, Version, manifest
from roster_publisher.domain.csv_rows import rows_of
from roster_publisher.domain.filters import parse_filter
from roster_publisher.domain.fragments import stamp_text
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.ports.packing import OpenPacker, Packer
from roster_publisher.ports.reading import RosterReads
from roster_publisher.usecases.shape_bodies import ShapeBodies

_ROWS: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest:
    """`since` is for a delta: what was stamped then or later; without it, all with deletions."""

    grant: Grant
    token_scopes: frozenset[str]
    version: Version
    mode: Mode
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package to be sent: `chunks` are bytes of a zip."""

    revision: int
    chunks: AsyncIterator[bytes]


class ExportPackage:
    """Packages of a district, as its vendors see it."""

    def __init__(self, reads: RosterReads, shape: ShapeBodies, packer: OpenPacker) -> None:
        self._reads = reads
        self._shape = shape
        self._packer = packer

    async def __call__(self, request: PackageRequest) -> Package:
        """The package at the newest revision; history outlives it. Read while it is sent."""
        _, revision = await self._reads.revisions(request.grant.district_id)
        return Package(revision=revision, chunks=self._chunks(request, revision))

    async def _chunks(self, request: PackageRequest, revision: int) -> AsyncIterator[bytes]:
        packer = self._packer()
        files = [f for f in FILES[request.version] if f.collection.scopes & request.token_scopes]
        packer.open(MANIFEST)
        yield packer.write(manifest(request.version, request.mode, files))
        for file in files:
            packer.open(f"{file.name}.csv")
            yield packer.write([file.header])
            async for chunk in self._rows(request, file, revision, packer):
                yield chunk
        yield packer.end()

    async def _rows(
        self, request: PackageRequest, file: File, revision: int, packer: Packer
    ) -> AsyncIterator[bytes]:
        query = _query(request, file)
        after = None
        while True:
            page = await self._reads.page_at(query, revision=revision, after=after, limit=_ROWS)
            if not page.rows:
                return
            body = await self._shape(page.body, query, base="", fields=None)
            rows = _rows_in(body, request, file)
            # Compressing takes its time, and others are served meanwhile.
            yield await asyncio.to_thread(packer.write, rows)
            if page.rows < _ROWS or page.last is None:
                return
            after = page.last


def _rows_in(body: bytes, request: PackageRequest, file: File) -> Iterable[Sequence[str]]:
    for one in orjson.loads(b"[%b]" % body):
        yield from rows_of(file, one, version=request.version, mode=request.mode)


def _query(request: PackageRequest, file: File) -> CollectionQuery:
    asked = None
    if request.mode == "bulk":
        asked = "status='active'"
    elif request.since is not None:
        asked = f"dateLastModified>='{stamp_text(request.since)}'"
    entity = file.collection.entity
    return CollectionQuery(
        grant=request.grant,
        collection=file.collection,
        filter=None if asked is None else parse_filter(asked, entity, request.grant),
    )
