"""A snapshot run: its states, counts, problems and refused rows. Pure.

A problem refuses the run: nothing of it is written. A refused row is left out, counted once per
reason and field, and the good rows beside it go on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

from sis_ingest.domain.changes import Origin
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity

RunState: TypeAlias = Literal["waiting", "running", "completed", "refused", "failed"]

# Above this share of bad rows a file is taken for broken, not for untidy.
BAD_ROW_SHARE: Final = 0.05
MAX_PROBLEMS: Final = 100
MAX_ATTEMPTS: Final = 5
# A statement over all staged rows of a run takes minutes for a state's million students. One that
# takes longer than this is stuck.
STEP_TIMEOUT_S: Final = 600.0
# A file has fewer rows. Where one tells several records, the second of row 7 is number ROWS + 7.
ROWS: Final = 10_000_000
# Why a row is refused whose id stood in an earlier row.
REPEATED: Final = "repeated_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a file, or odd about it; `row` counts from 1, the header. No values."""

    code: str
    file: str | None = None
    row: int | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRefusal:
    """One row that cannot be used."""

    file: str
    row: int
    reason: str
    field: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRows:
    """All rows of a file refused for one reason in one field."""

    file: str
    reason: str
    field: str | None
    count: int
    first_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows of one collection; each row read is changed, unchanged, refused or held in the end.

    `missing` records stood before and are not in the file; each is `removed`, held or `skipped`.
    `deleted` are changed rows that tell of a deletion, `added` those about records never heard of.
    `held_removals` counts both kinds of removals. `rekeyed` people came under another id than
    before.
    """

    read: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    missing: int = 0
    removed: int = 0
    deleted: int = 0
    held_removals: int = 0
    skipped: int = 0
    added: int = 0
    held_additions: int = 0
    rekeyed: int = 0

    @property
    def held(self) -> int:
        """All that waits for a person."""
        return self.held_removals + self.held_additions


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found and did, as far as it has come."""

    collections: Mapping[Entity, Counts] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    refusals: tuple[RefusedRows, ...] = ()
    holds: tuple[str, ...] = ()

    def counts(self, entity: Entity) -> Counts:
        """The collection's counts; zeros when nothing was read of it."""
        return self.collections.get(entity, Counts())

    def with_counts(self, entity: Entity, counts: Counts) -> "Report":
        """A copy with one collection's counts replaced."""
        return replace(self, collections={**self.collections, entity: counts})

    def total(self) -> Counts:
        """All collections together."""
        found = self.collections.values()
        return Counts(
            **{
                one.name: sum(getattr(counts, one.name) for counts in found)
                for one in fields(Counts)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One snapshot, from upload to end. `as_of` is the moment the snapshot speaks of.

    `unchanged` are files of its package that were read before, each with the moment of which it
    speaks: it says nothing of what came since. `moments` are those of its collections, once the
    file is open.
    A `dry_run` finds out what would be done and does nothing. One of a replay goes over the file of
    an earlier delivery once more, in its turn. What was `pulled` is in the words of
    the source's own interface.
    """

    run_id: str
    delivery_id: str
    correlation_id: str
    place: Place
    state: RunState
    origin: Origin | None
    file_name: str
    file_bytes: int
    sha256: str
    received_at: datetime
    as_of: datetime
    unchanged: Mapping[str, datetime] = field(default_factory=dict)
    moments: Mapping[Entity, datetime] = field(default_factory=dict)
    dry_run: bool = False
    pulled: bool = False
    replay_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: int = 0
    percent: int = 0
    reason: str | None = None
    report: Report = field(default_factory=Report)

    def moment(self, entity: Entity) -> datetime:
        """The moment that it speaks of when it speaks of these."""
        return self.moments.get(entity, self.as_of)


def tally(before: Iterable[RefusedRows], more: Iterable[RowRefusal]) -> tuple[RefusedRows, ...]:
    """Counts refusals per file, reason and field; keeps the lowest row number of each."""
    found = {(r.file, r.reason, r.field): r for r in before}
    for refusal in more:
        key = (refusal.file, refusal.reason, refusal.field)
        known, row = found.get(key), refusal.row % ROWS
        found[key] = RefusedRows(
            file=refusal.file,
            reason=refusal.reason,
            field=refusal.field,
            count=1 if known is None else known.count + 1,
            first_row=row if known is None else min(known.first_row, row),
        )
    return tuple(found.values())


def too_many_bad(counts: Counts) -> bool:
    """Whether the share of refused rows says that the file itself is broken."""
    return counts.refused > counts.read * BAD_ROW_SHARE
