"""A change, and the rule that the newest wins. Pure.

A change is one normalised fact about one record of one source, with that source's own ids.
`judge` also exists as SQL, as the first sieve of a snapshot (adapters/postgres/staging.py).
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import Record

Origin: TypeAlias = Literal["webhook", "snapshot", "firstload", "republish", "operator"]
ChangeKey: TypeAlias = tuple[Entity, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What made a change happen; travels with every effect of it."""

    correlation_id: str
    delivery_id: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`record` is canonical, with outside ids; None when a deletion came without its object.

    `content_hash` is empty exactly then. `version` is the source's own counter, if it has one.
    `raw_hash` stands for the row of a file that it was read from, if any.
    `absent` says that nobody told of the deletion: a whole collection came without the record.
    """

    entity: Entity
    external_id: str
    record: Record | None
    content_hash: bytes
    deleted: bool
    version: int | None
    occurred_at: datetime
    cause: Cause
    absent: bool = False
    raw_hash: bytes | None = None

    @property
    def key(self) -> ChangeKey:
        """Names the record within its source."""
        return self.entity, self.external_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What we hold of one source's record, without its content."""

    content_hash: bytes
    deleted: bool
    version: int | None
    occurred_at: datetime


class Verdict(StrEnum):
    """What a change turned out to be."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    STALE = "stale"
    SUPERSEDED = "superseded"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A record to store: the last effective change, and the state it leaves behind.

    `content` False means that only version and time move on.
    """

    change: Change
    known: Known
    content: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One verdict per change, in the order given, and one write per record that moves."""

    verdicts: tuple[Verdict, ...]
    writes: tuple[Write, ...]


def judge(known: Known | None, change: Change, *, as_of: datetime | None) -> Verdict:
    """Newest wins: by version if both sides have one, else by time; a tie changes nothing.

    `as_of` is when the source last stated the whole collection: for a record that we hold, what
    happened before that is already in it.
    """
    if known is None:
        return Verdict.NEW
    if not _newer(known, change, as_of):
        return Verdict.STALE
    if known.deleted != change.deleted:
        return Verdict.CHANGED
    same = change.deleted or known.content_hash == change.content_hash
    return Verdict.UNCHANGED if same else Verdict.CHANGED


def settle(
    changes: Sequence[Change],
    known: Mapping[ChangeKey, Known],
    as_of: Mapping[Entity, datetime],
) -> Settled:
    """Judges a batch in order, as if each change had been stored before the next was seen."""
    state = dict(known)
    effective: dict[ChangeKey, int] = {}
    moved: dict[ChangeKey, int] = {}
    verdicts: list[Verdict] = []
    for place, change in enumerate(changes):
        key = change.key
        verdict = judge(state.get(key), change, as_of=as_of.get(change.entity))
        if verdict in (Verdict.NEW, Verdict.CHANGED):
            if key in effective:
                verdicts[effective[key]] = Verdict.SUPERSEDED
            effective[key] = place
        if verdict is not Verdict.STALE:
            state[key] = _after(state.get(key), change)
            moved[key] = place
        verdicts.append(verdict)
    writes = tuple(
        Write(
            change=changes[effective.get(key, place)],
            known=state[key],
            content=key in effective,
        )
        for key, place in moved.items()
    )
    return Settled(verdicts=tuple(verdicts), writes=writes)


def settle_without(
    held: Set[tuple[ChangeKey, bool]],
    changes: Sequence[Change],
    known: Mapping[ChangeKey, Known],
    as_of: Mapping[Entity, datetime],
) -> Settled:
    """Judges a batch as if the held changes, named by (record, deleted), had not come yet."""
    kept = [change for change in changes if (change.key, change.deleted) not in held]
    settled = settle(kept, known, as_of)
    verdicts = iter(settled.verdicts)
    return Settled(
        verdicts=tuple(
            Verdict.HELD if (change.key, change.deleted) in held else next(verdicts)
            for change in changes
        ),
        writes=settled.writes,
    )


def _newer(known: Known, change: Change, as_of: datetime | None) -> bool:
    if known.version is not None and change.version is not None:
        return change.version > known.version
    if as_of is not None and change.occurred_at <= as_of:
        return False
    return change.occurred_at > known.occurred_at


def _after(before: Known | None, change: Change) -> Known:
    kept = b"" if before is None else before.content_hash
    return Known(
        content_hash=change.content_hash or kept,
        deleted=change.deleted,
        version=change.version,
        occurred_at=max(change.occurred_at, before.occurred_at) if before else change.occurred_at,
    )
