"""A table as a snapshot: which records its rows tell, and in what order. Blocking."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import orjson

from roster_common.errors import Invalid
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import Record, content_hash, to_bytes
from sis_ingest.domain.runs import ROWS, Problem, RowRefusal
from sis_ingest.domain.snapshots import Chunk, Collection, RawRow, Rows, StagedRow
from sis_ingest.ports.snapshots import OpenSnapshot, SnapshotLimits
from sis_ingest.tables.columns import Column
from sis_ingest.tables.table import BadTable, Line, Row, Table

_HASH_BYTES: Final = 16
_RAGGED: Final = "ragged_row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A canonical record, and whether it is gone."""

    record: Record
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How rows tell the records of one collection. Both functions are pure.

    `ids` gives the outside ids of the records that a row tells, quickly; an empty one is refused
    by `read`. `read` gets an id and the rows that tell it: `all` of them, only the `first`, or,
    with `one`, each alone, so that a repeated id is refused. It raises `Invalid` by our columns.
    """

    entity: Entity
    mode: Literal["bulk", "delta"]
    rows: Literal["all", "first", "one"]
    ids: Callable[[Row], Sequence[str]]
    read: Callable[[str, Sequence[Row]], Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A kind of table. `file` is its name in reports.

    `meaning` is to be raised whenever a row comes to mean another record: each is read anew then.
    """

    file: str
    columns: tuple[Column, ...]
    id_column: str
    meaning: int
    wordings: tuple[Wording, ...]


@dataclass(frozen=True, slots=True)
class TableReader:
    """`ports.SnapshotReader` of one kind of table."""

    layout: Layout

    def open(self, path: Path, *, limits: SnapshotLimits) -> OpenSnapshot:
        """The checked file. Raises `SnapshotRefused` with everything that is wrong with it."""
        return TableSnapshot(path, self.layout, limits=limits)


class TableSnapshot:
    """`ports.OpenSnapshot` over one table, of which each wording tells one collection."""

    def __init__(self, path: Path, layout: Layout, *, limits: SnapshotLimits) -> None:
        """Raises `SnapshotRefused` with everything that is wrong with the file as a whole."""
        self._layout = layout
        self._table = Table(path, layout.columns, file=layout.file, limits=limits)
        self.warnings = self._table.warnings
        self.collections = tuple(
            Collection(
                entity=wording.entity,
                file=layout.file,
                mode=wording.mode,
                id_field=layout.id_column,
            )
            for wording in layout.wordings
        )

    @property
    def unpacked_bytes(self) -> int:
        """The file is read once for each collection."""
        return self._table.size_bytes * len(self._layout.wordings)

    def chunks(self, collection: Collection, *, rows: int) -> Iterator[Chunk]:
        """The collection's records, `rows` at a time. A fault of the file ends it."""
        told = self._records(self._wording(collection))
        before = 0
        while True:
            batch: list[tuple[RawRow, int]] = []
            problems: tuple[Problem, ...] = ()
            try:
                batch.extend(islice(told, rows))
            except BadTable as error:
                problems = (Problem(code=error.code, file=collection.file, row=error.row),)
            if not batch and not problems:
                if before == 0 and collection.mode == "bulk":
                    yield _empty(collection)
                return
            read_to = batch[-1][1] if batch else before
            yield Chunk(
                rows=tuple(raw for raw, _ in batch),
                problems=problems,
                bytes_read=read_to - before,
            )
            before = read_to
            if problems:
                return

    def read(self, collection: Collection, rows: Sequence[RawRow]) -> Rows:
        """What the rows say; each is good, or refused with its reason."""
        wording = self._wording(collection)
        good: list[StagedRow] = []
        refused: list[RowRefusal] = []
        for raw in rows:
            try:
                good.append(_staged(wording, raw))
            except Invalid as error:
                field = self._layout.id_column if error.reason == _RAGGED else error.field
                refused.append(
                    RowRefusal(file=collection.file, row=raw.row, reason=error.reason, field=field)
                )
        return Rows(good=tuple(good), refused=tuple(refused))

    def close(self) -> None:
        """Nothing stays open."""

    def _wording(self, collection: Collection) -> Wording:
        return next(w for w in self._layout.wordings if w.entity == collection.entity)

    def _records(self, wording: Wording) -> Iterator[tuple[RawRow, int]]:
        """Each with the bytes read so far, which the last of a chunk tells."""
        together = self._gathered(wording) if wording.rows == "all" else {}
        told: set[str] = set()
        for line in self._table.lines():
            if line.row is None:
                # Once is enough: where only first rows count, one more would be many.
                if wording.rows != "first":
                    yield self._raw(wording, line, 0, "", ()), line.read_to
                continue
            for place, outside in enumerate(wording.ids(line.row)):
                if wording.rows != "one" and outside:
                    if outside in told:
                        continue
                    told.add(outside)
                rows = together.get(outside) or [line.row]
                yield self._raw(wording, line, place, outside, rows), line.read_to

    def _gathered(self, wording: Wording) -> dict[str, list[Row]]:
        """The rows of ids that stand in several; the others need not be in memory."""
        times = Counter(outside for outside, _ in self._told(wording) if outside)
        found: dict[str, list[Row]] = {}
        for outside, row in self._told(wording):
            if times[outside] > 1:
                found.setdefault(outside, []).append(row)
        return found

    def _told(self, wording: Wording) -> Iterator[tuple[str, Row]]:
        for line in self._table.lines():
            if line.row is not None:
                for outside in wording.ids(line.row):
                    yield outside, line.row

    def _raw(
        self, wording: Wording, line: Line, place: int, outside: str, rows: Sequence[Row]
    ) -> RawRow:
        about = [self._layout.file, self._layout.meaning, wording.entity, outside, rows]
        return RawRow(
            row=line.number + place * ROWS,
            external_id=outside,
            raw_hash=hashlib.blake2b(
                orjson.dumps(about, option=orjson.OPT_SORT_KEYS), digest_size=_HASH_BYTES
            ).digest(),
            cells=tuple(rows),
        )


def _staged(wording: Wording, raw: RawRow) -> StagedRow:
    if not raw.cells:
        raise Invalid(_RAGGED)
    told = wording.read(raw.external_id, raw.cells)
    body = to_bytes(told.record)
    return StagedRow(
        row=raw.row,
        external_id=raw.external_id,
        sort_key="",
        content_hash=content_hash(body),
        deleted=told.deleted,
        body=body,
        raw_hash=raw.raw_hash,
    )


def _empty(collection: Collection) -> Chunk:
    problem = Problem(code="empty_collection", file=collection.file)
    return Chunk(rows=(), problems=(problem,), bytes_read=0)
