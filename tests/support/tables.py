"""Tables that people export by hand, and what a reader makes of them."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from sis_ingest.domain.runs import RefusedRows, tally
from sis_ingest.ports.snapshots import SnapshotLimits, SnapshotReader


def written(rows: Sequence[Mapping[str, str]], *, delimiter: str = ",") -> bytes:
    """Rows as CSV under the names of the first; an absent cell is empty."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


class ReadTable:
    """Everything that a reader says of a file: records by (entity, outside id), refusals."""

    def __init__(self, reader: SnapshotReader, path: Path, *, chunk: int = 3) -> None:
        snapshot = reader.open(path, limits=SnapshotLimits())
        self.warnings = [(w.code, w.column) for w in snapshot.warnings]
        self.records: dict[tuple[str, str], dict[str, Any]] = {}
        self.gone: set[tuple[str, str]] = set()
        self.problems: list[tuple[str, int | None]] = []
        refused: tuple[RefusedRows, ...] = ()
        self.bytes_read = 0
        for collection in snapshot.collections:
            numbers: set[int] = set()
            for part in snapshot.chunks(collection, rows=chunk):
                self.problems += [(p.code, p.row) for p in part.problems]
                self.bytes_read += part.bytes_read
                assert numbers.isdisjoint(row.row for row in part.rows)
                numbers |= {row.row for row in part.rows}
                told = snapshot.read(collection, part.rows)
                assert len(told.good) + len(told.refused) == len(part.rows)
                refused = tally(refused, told.refused)
                for row in told.good:
                    key = (collection.entity, row.external_id)
                    self.records[key] = orjson.loads(row.body or b"null")
                    if row.deleted:
                        self.gone.add(key)
        self.refused = [(r.reason, r.field, r.count, r.first_row) for r in refused]
        self.unpacked_bytes = snapshot.unpacked_bytes
        snapshot.close()
