"""A snapshot while it is read: its collections, and its rows in chunks. Pure."""

from dataclasses import dataclass
from typing import Literal

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.runs import Problem, RowRefusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One collection the snapshot states. `bulk` is the whole of it, `delta` only what changed."""

    entity: Entity
    file: str
    mode: Literal["bulk", "delta"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRow:
    """A good row: `body` is canonical JSON with outside ids (see domain/records.py).

    `sort_key` puts rows that belong together next to one another: an enrollment's user.
    """

    row: int
    external_id: str
    sort_key: str
    content_hash: bytes
    deleted: bool
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some rows of one collection. `bytes_read` is unpacked, and of this chunk alone."""

    rows: tuple[StagedRow, ...]
    refused: tuple[RowRefusal, ...]
    problems: tuple[Problem, ...]
    read: int
    bytes_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """How the staged rows of one collection stand against what the source said before."""

    same: int
    differing: int
    missing: int
