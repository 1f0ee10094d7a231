"""Decides what a batch of changes does to the published roster. Pure.

Log order is the order of the district; within it an event older than the one applied last is late
and changes nothing. A record is published when every reference it cannot live without is shown;
until then it waits, and what was published before stays as it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from roster_publisher.domain.records import (
    ORDER_OF,
    Key,
    Need,
    Record,
    Reference,
    Status,
    content_hash,
    references,
)

Origin: TypeAlias = Literal["webhook", "snapshot", "firstload", "republish", "operator", "schedule"]
STAMP_STEP: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Which event brought something about; rides along to every effect."""

    event_id: str
    correlation_id: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One event of the log about one record; `record` None means it is to be deleted.

    `merged_into` is the id that stands for a record whose own id ended in a merge.
    """

    key: Key
    record: Record | None
    time: datetime
    cause: Cause
    merged_into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the store holds of a record: `record` is the newest, shown or still waiting.

    `record` is None where it was not asked for; a deletion must ask for it. `rule_ids` are the
    rules that the published record matches by itself.
    """

    key: Key
    status: Status
    shown: bool
    content_hash: bytes
    event_time: datetime
    scope_ids: frozenset[str]
    record: Record | None = None
    user_id: str | None = None
    class_id: str | None = None
    rule_ids: frozenset[str] = frozenset()
    merged_into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record as it should be published next. `merged_into` is of a tombstone only: the id that
    stands for it.
    """

    key: Key
    record: Record
    status: Status
    content_hash: bytes
    time: datetime
    cause: Cause
    references: tuple[Reference, ...]
    merged_into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Drafts to publish, and how many changes did nothing and why.

    `confirmed` is when records were last said to be as they are stored, where that is news.
    """

    drafts: tuple[Draft, ...]
    confirmed: Mapping[Key, datetime]
    unchanged: int = 0
    late: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Drafts that can be shown and drafts that wait, both in publishing order."""

    publish: tuple[Draft, ...]
    wait: tuple[Draft, ...]
    shown: frozenset[Key]

    def dangling(self) -> tuple[tuple[Key, Key], ...]:
        """(target, pointing record) of every reference whose target is not shown."""
        pairs = {
            (reference.target, draft.key)
            for draft in (*self.publish, *self.wait)
            for reference in draft.references
            if reference.target not in self.shown
        }
        return tuple(sorted(pairs))


def draft_of(
    key: Key,
    record: Record,
    *,
    status: Status,
    time: datetime,
    cause: Cause,
    merged_into: str | None = None,
) -> Draft:
    """A draft with its hash and references worked out."""
    return Draft(
        key=key,
        record=record,
        status=status,
        content_hash=content_hash(record),
        time=time,
        cause=cause,
        references=tuple(references(key, record)),
        merged_into=merged_into,
    )


def decide(changes: Sequence[Change], stored: Mapping[Key, Stored]) -> Decided:
    """What `changes`, in log order, ask for beyond what is stored.

    Per record the last change that is not late counts. A deletion of a record never seen is
    unknown: there is no body to show as a tombstone.
    """
    drafts: dict[Key, Draft] = {}
    newest = {key: old.event_time for key, old in stored.items()}
    unchanged = late = unknown = 0
    for change in changes:
        key = change.key
        if key in newest and change.time < newest[key]:
            late += 1
            continue
        before = drafts.get(key) or stored.get(key)
        draft = _draft(change, before)
        if draft is None:
            unknown += 1
            continue
        newest[key] = change.time
        if before and _says(before) == _says(draft):
            unchanged += 1
        else:
            drafts[key] = draft
    wanted = tuple(
        draft if draft.time == newest[key] else replace(draft, time=newest[key])
        for key, draft in drafts.items()
        if not _is_stored(draft, stored.get(key))
    )
    kept = stored.keys() - {draft.key for draft in wanted}
    return Decided(
        drafts=wanted,
        confirmed={key: newest[key] for key in kept if newest[key] > stored[key].event_time},
        unchanged=unchanged + len(drafts) - len(wanted),
        late=late,
        unknown=unknown,
    )


def settle(drafts: Iterable[Draft], shown: Iterable[Key]) -> Settled:
    """Split `drafts` into what can be shown and what waits, given what is shown already.

    Drafts may point at one another; required references only point at earlier entities of the
    publishing order, so one pass suffices. Nothing shown ever stops being shown.
    """
    visible = set(shown)
    publish: list[Draft] = []
    wait: list[Draft] = []
    for draft in sorted(drafts, key=lambda d: (ORDER_OF[d.key.entity], d.key.sourced_id)):
        if _can_be_shown(draft, visible):
            publish.append(draft)
            visible.add(draft.key)
        else:
            wait.append(draft)
    return Settled(publish=tuple(publish), wait=tuple(wait), shown=frozenset(visible))


def next_stamp(now: datetime, last: datetime | None) -> datetime:
    """max(clock, last + 1 ms), in whole milliseconds: no commit shows a stamp at or before one."""
    clock = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return clock if last is None else max(clock, last + STAMP_STEP)


def scope_ids(draft: Draft, shown: frozenset[Key]) -> frozenset[str]:
    """Orgs whose scope holds the record; sessions and demographics are in none of their own."""
    if draft.key.entity == "org":
        return frozenset({draft.key.sourced_id})
    if draft.key.entity in {"academicSession", "demographics"}:
        return frozenset()
    fields = {"user": "roles", "course": "org"}
    field = fields.get(draft.key.entity, "school")
    return frozenset(
        reference.target.sourced_id
        for reference in draft.references
        if reference.field == field and reference.target in shown
    )


def _draft(change: Change, before: Draft | Stored | None) -> Draft | None:
    """What the change asks for; a deletion shows the body that was there, without one nothing."""
    record = change.record
    status: Status = "active"
    if record is None:
        record, status = before.record if before else None, "tobedeleted"
    elif record.get("status") == "tobedeleted":
        status = "tobedeleted"
    if record is None:
        return None
    merged_into = None
    if status == "tobedeleted":
        # That it was merged stays so when it is only said to be gone again.
        merged_into = change.merged_into or (before.merged_into if before else None)
    return draft_of(
        change.key,
        record,
        status=status,
        time=change.time,
        cause=change.cause,
        merged_into=merged_into,
    )


def _is_stored(draft: Draft, old: Stored | None) -> bool:
    return old is not None and _says(old) == _says(draft)


def _says(one: Draft | Stored) -> tuple[bytes, Status, str | None]:
    return one.content_hash, one.status, one.merged_into


def _can_be_shown(draft: Draft, visible: set[Key]) -> bool:
    some: dict[str, bool] = {}
    for reference in draft.references:
        there = reference.target in visible
        if reference.need is Need.EVERY and not there:
            return False
        if reference.need is Need.SOME:
            some[reference.field] = some.get(reference.field, False) or there
    return all(some.values())
