"""Reads a OneRoster CSV package: manifest, headers, then rows in chunks, never a file at once.

Faults of the file (a problem) are told from faults of a row (a refusal). Blocking; runs in a
thread.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from roster_common.csv_formulas import unguarded
from roster_common.errors import Invalid
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import content_hash, to_bytes
from sis_ingest.domain.runs import Problem, RowRefusal
from sis_ingest.domain.snapshots import Chunk, Collection, RawRow, Rows, StagedRow
from sis_ingest.ports.snapshots import SnapshotLimits, SnapshotRefused
from sis_ingest.sources.oneroster_csv.archive import Archive, BadCsv
from sis_ingest.sources.oneroster_csv.headers import read_layout
from sis_ingest.sources.oneroster_csv.layout import ROLES, File
from sis_ingest.sources.oneroster_csv.lines import Line, RowHasher
from sis_ingest.sources.oneroster_csv.manifest import Manifest, read_manifest
from sis_ingest.sources.oneroster_csv.normalise import Context, Row, is_deleted, to_object, to_role
from sis_ingest.sources.oneroster_csv.profiles import Profile
from sis_ingest.sources.oneroster_csv.roles import Role, RolesByUser

_REFERRING: Final[Entity] = "enrollment"


class OneRosterPackage:
    """`ports.OpenSnapshot` over one zip."""

    def __init__(
        self, path: Path, *, limits: SnapshotLimits, profile: Profile | None = None
    ) -> None:
        """Checks archive, manifest and headers; raises `SnapshotRefused` with all it found.

        Without `profile` the manifest and the headers tell the dialect.
        """
        self._archive = Archive(path, limits=limits)
        self._roles: RolesByUser | None = None
        try:
            manifest = read_manifest(self._archive, profile=profile)
            layout = read_layout(self._archive, manifest, profile=profile)
            self.warnings = layout.warnings
            self._profile = layout.profile
            self._ours = manifest.ours
            self._headers = layout.headers
            self._files = [file for file in layout.profile.files if manifest.states(file.name)]
            self._context = self._read_context(manifest)
        except BaseException:
            self.close()
            raise
        self.collections = tuple(
            Collection(
                entity=file.entity,
                file=file.file,
                mode=manifest.modes[file.name],
                beside=self._beside(file, manifest),
            )
            for file in self._files
        )

    @property
    def unpacked_bytes(self) -> int:
        """Bytes of all collections, unpacked."""
        return sum(self._archive.size(file.file) for file in self._files)

    def chunks(self, collection: Collection, *, rows: int) -> Iterator[Chunk]:
        """The collection's rows, `rows` at a time. A fault of the file ends it with a problem."""
        file = self._file(collection)
        hasher = self._hasher(file)
        lines = self._lines(file)
        before, first = 0, True
        while True:
            batch: list[Line] = []
            problems: tuple[Problem, ...] = ()
            try:
                batch.extend(islice(lines, rows))
            except BadCsv as error:
                problems = (Problem(code=error.code, file=file.file, row=error.row),)
            if not batch and not problems:
                if first and file.needed and collection.mode == "bulk":
                    yield _empty(file)
                return
            read_to = batch[-1].read_to if batch else before
            yield Chunk(
                rows=tuple(map(hasher.raw_row, batch)),
                problems=problems,
                bytes_read=read_to - before,
            )
            before, first = read_to, False
            if problems:
                return

    def read(self, collection: Collection, rows: Sequence[RawRow]) -> Rows:
        """What the rows say; each is good, or refused with its reason."""
        file = self._file(collection)
        header = self._headers[file.name]
        good: list[StagedRow] = []
        refused: list[RowRefusal] = []
        for row in rows:
            try:
                good.append(self._row(file, header, row))
            except Invalid as error:
                refused.append(
                    RowRefusal(file=file.file, row=row.row, reason=error.reason, field=error.field)
                )
        return Rows(good=tuple(good), refused=tuple(refused))

    def close(self) -> None:
        """Gives the file back, and what was put aside of it. May run twice."""
        self._archive.close()
        if self._roles is not None:
            self._roles.close()

    def _beside(self, file: File, manifest: Manifest) -> tuple[str, ...]:
        apart = file.entity == "user" and self._profile.roles_apart
        return (ROLES.file,) if apart and manifest.states(ROLES.name) else ()

    def _file(self, collection: Collection) -> File:
        return next(f for f in self._files if f.entity == collection.entity)

    def _hasher(self, file: File) -> RowHasher:
        roles_of = self._context.roles_of if file.entity == "user" else None
        about = f"{self._profile.name}/{file.name}"
        return RowHasher(self._headers[file.name], about, self._context.org_types, roles_of)

    def _row(self, file: File, header: Sequence[str], raw: RawRow) -> StagedRow:
        cells = dict(zip(header, raw.cells, strict=True))
        if self._ours:
            cells = {name: unguarded(name, cell) for name, cell in cells.items()}
        deleted = is_deleted(cells)
        record = to_object(file.entity, cells, self._context)
        body = to_bytes(record)
        together = record["user"]["sourcedId"] if file.entity == _REFERRING else ""
        return StagedRow(
            row=raw.row,
            external_id=record["sourcedId"],
            sort_key=together,
            content_hash=content_hash(body),
            deleted=deleted,
            body=body,
            raw_hash=raw.raw_hash,
        )

    def _lines(self, file: File) -> Iterator[Line]:
        width = len(self._headers[file.name])
        rows = self._archive.rows(file.file)
        next(rows, None)
        for number, read_to, cells in rows:
            yield Line(number, read_to, _fitted(cells, width, row=number))

    def _named(self, file: File) -> Iterator[Row]:
        header = self._headers[file.name]
        for line in self._lines(file):
            yield dict(zip(header, line.cells, strict=True))

    def _read_context(self, manifest: Manifest) -> Context:
        types: dict[str, str] = {}
        at = ""
        try:
            for file in self._files:
                if file.entity == "org":
                    at = file.file
                    types = {
                        cells["sourcedId"].strip(): cells["type"].strip()
                        for cells in self._named(file)
                    }
            if self._profile.roles_apart:
                at = ROLES.file
                self._roles = RolesByUser(self._told_roles() if manifest.states(ROLES.name) else ())
        except BadCsv as error:
            raise SnapshotRefused([Problem(code=error.code, file=at, row=error.row)]) from None
        return Context(
            org_types=types,
            roles_of=None if self._roles is None else self._roles.of,
            ours=manifest.ours,
        )

    def _told_roles(self) -> Iterator[tuple[str, Role]]:
        """Roles that stand, by user. One that cannot be read is left out: its user lacks a role
        then, and is refused with that reason.
        """
        for cells in self._named(ROLES):
            with suppress(Invalid):
                if not is_deleted(cells):
                    yield to_role(cells)


def _fitted(cells: list[str], width: int, *, row: int) -> list[str]:
    """Blank cells behind the last column say nothing; a row that is too short may be cut off."""
    if len(cells) == width:
        return cells
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        raise BadCsv("ragged_row", row=row)
    return cells[:width]


def _empty(file: File) -> Chunk:
    problem = Problem(code="empty_collection", file=file.file)
    return Chunk(rows=(), problems=(problem,), bytes_read=0)
