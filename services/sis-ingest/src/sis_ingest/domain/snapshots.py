"""A snapshot while it is read: its collections, and its rows in chunks. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.pulls import EMPTY_SECTION
from sis_ingest.domain.runs import REPEATED, Problem, Report, RowRefusal

NOTHING_READ: Final = "nothing_read"
NOTHING_CHANGED: Final = "nothing_changed"
_NOTHING: Final = timedelta()
_LEAST: Final = timedelta.resolution
# A year becomes half a minute.
_HARDLY: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One collection the snapshot states. `bulk` is the whole of it, `delta` only what changed.

    A `paged` one was read in pieces: an id that stands in it twice says that rows moved from page
    to page meanwhile, and that others may have been missed. A refusal in `id_field` says that
    nobody can tell which record a row was about. Its records are made of `file` and of those
    `beside` it.
    """

    entity: Entity
    file: str
    mode: Literal["bulk", "delta"]
    paged: bool = False
    id_field: str = "sourcedId"
    beside: tuple[str, ...] = ()


def moments(
    collections: Sequence[Collection], unchanged: Mapping[str, datetime], as_of: datetime
) -> Mapping[Entity, datetime]:
    """Of what each collection speaks; new files speak `as_of` then. Source: ADR 0016.

    A record has one moment: that of its collection's own file, which says who is there. A newer
    file beside it changes what was said with that one and nothing that was said since: it moves
    the moment by next to nothing, and by more the newer it is.
    """
    found: dict[Entity, datetime] = {}
    for one in collections:
        own = unchanged.get(one.file, as_of)
        beside = max((unchanged.get(file, as_of) for file in one.beside), default=own)
        newer = beside - own
        found[one.entity] = own if newer <= _NOTHING else own + _LEAST + newer * _HARDLY
    return found


def is_whole(collection: Collection, report: Report) -> bool:
    """Whether absence from a read collection says anything: bulk, not empty, its ids readable.

    A refused row is not an absent one: it is there by its id, and where one has none nobody is
    missed. Source: ADR 0008.
    """
    counts = report.counts(collection.entity)
    doubtful = any(
        refused.file == collection.file
        and refused.field == collection.id_field
        and (collection.paged or refused.reason != REPEATED)
        for refused in report.refusals
    )
    return collection.mode == "bulk" and counts.read > counts.refused and not doubtful


def idleness(collections: Sequence[Collection], report: Report) -> tuple[Problem, ...]:
    """A warning where a run has nothing to work with: zero work is no success (blueprint 12).

    A file that says what it said before is work, and so is a delta of nothing. A pull that was to
    be whole warns of each section of which it found nothing.
    """
    total = report.total()
    if total.read:
        return (Problem(code=NOTHING_CHANGED),) if total.refused == total.read else ()
    whole = not collections or any(one.mode == "bulk" for one in collections)
    whole |= any(warning.code == EMPTY_SECTION for warning in report.warnings)
    return (Problem(code=NOTHING_READ),) if whole else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """A row as it stands in the file. `external_id` is trimmed, and empty where there is none.

    `row` is its number in the file, and of its own in the collection: see `runs.ROWS`.
    `raw_hash` stands for all that its record is made of: rows of one collection with the same
    hash give the same record. `cells` are the reader's own.
    """

    row: int
    external_id: str
    raw_hash: bytes
    cells: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRow:
    """A good row: `body` is canonical JSON with outside ids (see domain/records.py).

    `sort_key` puts rows that belong together next to one another: an enrollment's user. Without
    `body` the row says no more of its record than that it is there, or is gone. An `absent` one
    stands for a record that a whole collection lacks.
    """

    row: int
    external_id: str
    sort_key: str
    content_hash: bytes
    deleted: bool
    body: bytes | None
    raw_hash: bytes | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Of some outside ids of a source: which its list at hand names, and which it leaves out or
    ends, as of its moment. Where there is no list, neither.
    """

    listed: Set[str] = frozenset()
    absent: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Repeated:
    """A record that a list has under `new_id` in place of `old_id`; `entity_id` is ours."""

    new_id: str
    old_id: str
    entity_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some rows of one collection. `bytes_read` is unpacked, and of this chunk alone."""

    rows: tuple[RawRow, ...]
    problems: tuple[Problem, ...]
    bytes_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What became of raw rows: each is good or refused."""

    good: tuple[StagedRow, ...]
    refused: tuple[RowRefusal, ...]


def seen(row: RawRow) -> StagedRow:
    """A row that is there and says nothing that could be read."""
    return StagedRow(
        row=row.row,
        external_id=row.external_id,
        sort_key="",
        content_hash=b"",
        deleted=False,
        body=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """How the staged rows of one collection stand against what the source said before.

    `absent` of the `missing` records are older than the snapshot and were staged as deletions;
    none are unless the collection is whole.
    """

    differing: int
    missing: int
    absent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How many staged rows one guard counts, and how many of them an open hold has already.

    `told` and `told_held` are those of them that stand in the file: not absent ones.
    """

    total: int
    held: int
    told: int
    told_held: int
