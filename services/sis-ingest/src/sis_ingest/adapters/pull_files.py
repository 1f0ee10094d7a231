"""Raw pages of pulls on disk, and the reader of what they were packed into.

A pulled package is a zip: `manifest.json` says which sections are whole, `<section>.ndjson` holds
one item of the source in each line, as the source worded it.
"""

import asyncio
import hashlib
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from roster_common.errors import Invalid
from roster_common.runtime.failpoints import failpoint
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import content_hash, to_bytes
from sis_ingest.domain.runs import Problem, RowRefusal
from sis_ingest.domain.snapshots import Chunk, Collection, RawRow, Rows, StagedRow
from sis_ingest.ports.pulls import ODD, UNREADABLE, Access, Item, Piece, PullSpec
from sis_ingest.ports.snapshots import OpenSnapshot, SnapshotLimits, SnapshotRefused

_MANIFEST: Final = "manifest.json"
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PIECE_BYTES: Final = 1024 * 1024
# Student data: no other user of the machine reads it.
_OURS_ALONE: Final = 0o700
_HASH_BYTES: Final = 16
_REFERRING: Final = "enrollment"
# What may be an id at all (contracts.values.SourcedId): the database keeps no other.
_SOURCED_ID: Final = re.compile(r"[^\x00-\x1f\x7f]{0,255}")


class DiskPullFiles:
    """`ports.pull_stores.PullFiles` in one folder, made on first use. It must outlive a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def append(self, pull_id: str, section: str, items: Sequence[Item], *, at: int) -> int:
        """See the port. Disk work runs in threads."""
        return await asyncio.to_thread(self._append, pull_id, section, items, at)

    async def packed(
        self, pull_id: str, sizes: Mapping[str, int], manifest: Mapping[str, Any]
    ) -> AsyncIterator[bytes]:
        """See the port."""
        target = self._folder / pull_id / "packed"
        await asyncio.to_thread(_pack, target, sizes, manifest)
        with target.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                yield piece

    async def drop(self, pull_id: str) -> None:
        """See the port."""
        await asyncio.to_thread(shutil.rmtree, self._folder / pull_id, ignore_errors=True)

    async def kept(self) -> Sequence[str]:
        """See the port. Names that are none of ours are left alone."""
        return await asyncio.to_thread(self._kept)

    async def hold(self, pull_id: str, sizes: Mapping[str, int]) -> bool:
        """See the port."""
        return await asyncio.to_thread(self._hold, self._folder / pull_id, sizes)

    def _hold(self, folder: Path, sizes: Mapping[str, int]) -> bool:
        files = {name: folder / f"{name}.ndjson" for name, size in sizes.items() if size}
        return all(
            file.is_file() and file.stat().st_size >= sizes[name] for name, file in files.items()
        )

    def _kept(self) -> Sequence[str]:
        if not self._folder.is_dir():
            return ()
        return [one.name for one in self._folder.iterdir() if _ID.fullmatch(one.name)]

    def _append(self, pull_id: str, section: str, items: Sequence[Item], at: int) -> int:
        folder = self._folder / pull_id
        folder.mkdir(_OURS_ALONE, parents=True, exist_ok=True)
        target = folder / f"{section}.ndjson"
        new = not target.exists()
        with target.open("ab") as file:
            file.truncate(at)
            file.seek(at)
            for item in items:
                file.write(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if new:
            for holding in (folder, self._folder, self._folder.parent):
                _sync_names(holding)
        failpoint("ingest.pull.page_synced")
        return size


def _sync_names(folder: Path) -> None:
    """A synced file is lost in a power cut while its name is not on disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _pack(target: Path, sizes: Mapping[str, int], manifest: Mapping[str, Any]) -> None:
    target.parent.mkdir(_OURS_ALONE, parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.writestr(_MANIFEST, orjson.dumps(manifest))
        for section, size in sizes.items():
            with packed.open(f"{section}.ndjson", "w", force_zip64=True) as member:
                _copy(target.parent / f"{section}.ndjson", member, size)


def _copy(source: Path, member: Any, size: int) -> None:
    if not size:
        return
    with source.open("rb") as file:
        while size and (piece := file.read(min(size, _PIECE_BYTES))):
            member.write(piece)
            size -= len(piece)


class PulledReader:
    """`ports.SnapshotReader` of pulled packages, in the words of one kind of source."""

    def __init__(self, spec: PullSpec, access: Access) -> None:
        self._spec = spec
        self._access = access

    def open(self, path: Path, *, limits: SnapshotLimits) -> OpenSnapshot:
        """See the port. The limits are for files of strangers; this one we packed ourselves."""
        del limits
        return PulledPackage(path, self._spec, self._access)


class PulledPackage:
    """`ports.OpenSnapshot` over one pulled package."""

    def __init__(self, path: Path, spec: PullSpec, access: Access) -> None:
        """Raises `SnapshotRefused` when the package is damaged."""
        try:
            self._zip = zipfile.ZipFile(path)
            manifest = orjson.loads(self._zip.read(_MANIFEST))
        except (zipfile.BadZipFile, zlib.error, KeyError, OSError, orjson.JSONDecodeError) as error:
            raise SnapshotRefused([Problem(code="damaged_package")]) from error
        self._spec = spec
        self._modes: Mapping[str, str] = manifest["mode"]
        self._wording = spec.wording(self._items, access)
        # Packages of a time before have none.
        because = manifest.get("fullBecause")
        self.warnings = (
            *((Problem(code=because),) if because else ()),
            *(Problem(code=fault, file=section) for section, fault in manifest["faults"].items()),
        )
        self.collections = tuple(
            Collection(
                entity=entity,
                file="+".join(stated),
                mode="bulk" if all(self._modes[name] == "bulk" for name in stated) else "delta",
                paged=True,
            )
            for entity in spec.entities
            if (stated := self._sections(entity))
        )

    @property
    def unpacked_bytes(self) -> int:
        """See the port: what reading every collection reads, a section that several read again."""
        return sum(
            self._zip.getinfo(f"{section}.ndjson").file_size
            for collection in self.collections
            for section in self._sections(collection.entity)
        )

    def chunks(self, collection: Collection, *, rows: int) -> Iterator[Chunk]:
        """See the port. Rows are counted from 1 over all sections of the collection."""
        found = self._rows(collection.entity)
        while batch := list(islice(found, rows)):
            yield Chunk(
                rows=tuple(row for row, _ in batch),
                problems=(),
                bytes_read=sum(size for _, size in batch),
            )

    def read(self, collection: Collection, rows: Sequence[RawRow]) -> Rows:
        """See the port."""
        good: list[StagedRow] = []
        refused: list[RowRefusal] = []
        for row in rows:
            try:
                good.append(self._read(collection.entity, row))
            except Invalid as error:
                refused.append(
                    RowRefusal(
                        file=collection.file, row=row.row, reason=error.reason, field=error.field
                    )
                )
            except ODD:
                refused.append(
                    RowRefusal(file=collection.file, row=row.row, reason=UNREADABLE, field=None)
                )
        return Rows(good=tuple(good), refused=tuple(refused))

    def close(self) -> None:
        """See the port."""
        self._zip.close()

    def _sections(self, entity: Entity) -> Sequence[str]:
        return [name for name in self._spec.entities[entity] if name in self._modes]

    def _items(self, section: str) -> Iterator[Item]:
        return (item for item, _ in self._lines(section))

    def _lines(self, section: str) -> Iterator[tuple[Item, int]]:
        if section not in self._modes:
            return
        with self._zip.open(f"{section}.ndjson") as lines:
            for line in lines:
                yield orjson.loads(line), len(line)

    def _rows(self, entity: Entity) -> Iterator[tuple[RawRow, int]]:
        number = 0
        for section in self._sections(entity):
            told: set[tuple[str, bytes]] = set()
            for item, size in self._lines(section):
                for place, piece in enumerate(self._pieces(entity, section, item)):
                    number += 1
                    raw_hash = b"" if piece is None else self._hash(section, piece)
                    external_id = "" if piece is None else piece.external_id
                    if section in self._spec.repeating:
                        if (external_id, raw_hash) in told:
                            continue
                        told.add((external_id, raw_hash))
                    row = RawRow(
                        row=number,
                        external_id=external_id,
                        raw_hash=raw_hash,
                        cells=(section, piece),
                    )
                    yield row, size if place == 0 else 0

    def _pieces(self, entity: Entity, section: str, item: Item) -> Sequence[Piece | None]:
        """None stands for what cannot be told to be of any record: then nobody counts as absent."""
        try:
            pieces = list(self._wording.pieces(entity, section, item))
        except (Invalid, *ODD):
            return [None]
        return [one if _SOURCED_ID.fullmatch(one.external_id) else None for one in pieces]

    def _hash(self, section: str, piece: Piece) -> bytes:
        content = {k: v for k, v in piece.content.items() if k not in self._spec.volatile}
        said = orjson.dumps([self._spec.meaning, section, content], option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(said, digest_size=_HASH_BYTES).digest()

    def _read(self, entity: Entity, raw: RawRow) -> StagedRow:
        section, piece = raw.cells
        if piece is None:
            raise Invalid(UNREADABLE, field="sourcedId")
        if not raw.external_id:
            raise Invalid("missing", field="sourcedId")
        fact = self._wording.read(entity, section, piece)
        body = None if fact.record is None else to_bytes(fact.record)
        refers = entity == _REFERRING and fact.record is not None
        return StagedRow(
            row=raw.row,
            external_id=raw.external_id,
            sort_key=fact.record["user"]["sourcedId"] if refers and fact.record else "",
            content_hash=b"" if body is None else content_hash(body),
            deleted=fact.deleted,
            body=body,
            raw_hash=raw.raw_hash,
        )
