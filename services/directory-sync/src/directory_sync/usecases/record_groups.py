"""Write down what a target answered about groups: records, memberships, events, marks.

One transaction. Only what is still under our lease is written.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from directory_sync.domain.backoff import again_wait_s, asked_wait_s, parked_wait_s
from directory_sync.domain.fact import Fact, MembershipFact
from directory_sync.domain.group import GroupKey, GroupName
from directory_sync.domain.ids import PersonId
from directory_sync.domain.membership import (
    ChangeGroup,
    CreateGroup,
    Doubt,
    GroupChanged,
    GroupCreated,
    GroupMissing,
    GroupOutcome,
    GroupRetry,
    GroupWrite,
    KnownGroup,
    LookForGroup,
    MemberChange,
    ReadGroup,
    SeenGroup,
)
from directory_sync.domain.outcome import Rejected, Unavailable, is_refusal
from directory_sync.ports import Units, Wiring
from directory_sync.usecases.prepare_groups import (
    GroupWork,
    PlannedGroup,
    doubt_ahead,
    is_adopted,
)
from roster_common.ports import Clock

_NOBODY: Mapping[str, PersonId] = {}
_MEMBER_REFUSED: Final = "member_refused"


@dataclass(slots=True, kw_only=True)
class _Recorded:
    """What one transaction will write; filled one outcome after another."""

    now: datetime
    answered: bool
    owners: Mapping[str, PersonId]
    writes: list[GroupWrite] = field(default_factory=list)
    added: list[MemberChange] = field(default_factory=list)
    removed: list[MemberChange] = field(default_factory=list)
    strangers: dict[GroupName, list[str]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    done: dict[GroupKey, int] = field(default_factory=dict)
    retries: list[GroupRetry] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)


class RecordGroups:
    """The recording half of a round for groups, for one target."""

    def __init__(self, *, units: Units, wiring: Wiring, clock: Clock) -> None:
        self._units = units
        self._policy = wiring.policy
        self._clock = clock

    async def __call__(
        self, work: GroupWork, outcomes: Sequence[GroupOutcome]
    ) -> Mapping[tuple[str, str], int]:
        """One outcome per prepared group. Returns counts by (action, done, retried or failed).

        Commits. What lost its lease meanwhile is left to whoever holds it now.
        """
        key = (self._policy.district_id, self._policy.target_id)
        seen = {a for o in outcomes if isinstance(o, SeenGroup) for a in o.members or ()}
        now = self._clock.now()
        answered = any(not isinstance(outcome, Unavailable) for outcome in outcomes)
        async with self._units.begin() as unit:
            held = await unit.group_marks.held(*key, token=work.token)
            owners = await unit.groups.owners(*key, sorted(seen))
            recorded = _Recorded(now=now, answered=answered, owners=owners)
            for item, outcome in zip(work.prepared, outcomes, strict=True):
                if item.claimed.name.key in held:
                    self._note(recorded, item, outcome)
            await unit.groups.write(*key, recorded.writes, now=now)
            await unit.groups.change_members(
                *key, added=recorded.added, removed=recorded.removed, now=now
            )
            await unit.plans.finish_items(*key, [change.item for change in recorded.removed])
            if recorded.strangers:
                await unit.groups.note_strangers(*key, recorded.strangers)
            await unit.group_marks.finish(*key, recorded.done, now=now)
            await unit.group_marks.retry(*key, recorded.retries)
            for fact in recorded.facts:
                unit.emit(fact)
        return recorded.counts

    def _note(self, recorded: _Recorded, item: PlannedGroup, outcome: GroupOutcome) -> None:
        result = "done"
        match outcome:
            case GroupCreated(group_id=group_id, refused=refused):
                self._note_created(recorded, item, group_id, refused)
                result = "failed" if refused else "done"
            case GroupChanged(refused=refused):
                self._note_changed(recorded, item, refused)
                result = "failed" if refused else "done"
            case SeenGroup():
                self._note_seen(recorded, item, outcome)
            case GroupMissing():
                _note_missing(recorded, item)
                result = "retried"
            case Rejected(code=code):
                wait_s = parked_wait_s(item.claimed.attempt)
                _note_failed(recorded, item, code, wait_s)
                result = "failed"
            case Unavailable(code=code) if recorded.answered and is_refusal(
                code, item.claimed.attempt
            ):
                _note_failed(recorded, item, code, parked_wait_s(item.claimed.attempt))
                result = "failed"
            case Unavailable(code=code, retry_after_s=asked):
                wait_s = asked_wait_s(asked, item.claimed.attempt)
                _note_failed(recorded, item, code, wait_s)
                result = "retried"
            case _:
                assert_never(outcome)
        recorded.counts[action_name(item), result] += 1

    def _note_created(
        self, recorded: _Recorded, item: PlannedGroup, group_id: str, refused: frozenset[str]
    ) -> None:
        action = item.action
        if not isinstance(action, CreateGroup):
            return
        add = _without(action.members, refused)
        self._move(recorded, item, group_id, add=add, remove=_NOBODY)
        if action.more and not refused:
            recorded.writes.append(_write(item, group_id, action.display_name))
            recorded.retries.append(_again(item, recorded.now, code="more_members"))
        else:
            _note_ended(recorded, item, group_id, action.display_name, refused)

    def _note_changed(
        self, recorded: _Recorded, item: PlannedGroup, refused: frozenset[str]
    ) -> None:
        action, known = item.action, item.claimed.known
        if not isinstance(action, ChangeGroup) or known is None:
            return
        shown = known.display_name if action.rename is None else action.rename
        add, remove = _without(action.add, refused), _without(action.remove, refused)
        self._move(recorded, item, action.group_id, add=add, remove=remove)
        _note_ended(recorded, item, action.group_id, shown, refused)

    def _note_seen(self, recorded: _Recorded, item: PlannedGroup, seen: SeenGroup) -> None:
        """Take over what the target shows of our people, then compare once more.

        Where a request of ours was in doubt, the difference is its work and is told; what a group
        held before us is not. Accounts that are nobody's are kept in mind: a person may come whose
        account one of them is.
        """
        known = item.claimed.known
        before = _NOBODY if known is None else known.members
        members = {a: recorded.owners[a] for a in seen.members or () if a in recorded.owners}
        self._move(
            recorded,
            item,
            seen.group_id,
            add={a: p for a, p in members.items() if a not in before},
            remove={a: p for a, p in before.items() if a not in members},
            told=known is not None and known.doubt is not Doubt.FOUND,
        )
        if seen.members is not None:
            strangers = [a for a in seen.members if a not in recorded.owners]
            recorded.strangers[item.claimed.name] = strangers
        recorded.writes.append(_write(item, seen.group_id, seen.display_name))
        recorded.retries.append(_again(item, recorded.now, code="group_read"))

    def _move(
        self,
        recorded: _Recorded,
        item: PlannedGroup,
        group_id: str,
        *,
        add: Mapping[str, PersonId],
        remove: Mapping[str, PersonId],
        told: bool = True,
    ) -> None:
        name = item.claimed.name
        for account_ids, into, added in (
            (remove, recorded.removed, False),
            (add, recorded.added, True),
        ):
            for account_id, person_id in sorted(account_ids.items()):
                into.append(MemberChange(key=name.key, account_id=account_id, person_id=person_id))
                if told:
                    recorded.facts.append(
                        MembershipFact(
                            added=added,
                            district_id=self._policy.district_id,
                            target_id=self._policy.target_id,
                            person_id=person_id,
                            account_id=account_id,
                            group_id=group_id,
                            reason=name.kind.reason,
                            cause=item.claimed.cause,
                        )
                    )


def action_name(item: PlannedGroup) -> str:
    """The action's name on counters: group_create, group_change, group_look or group_read."""
    match item.action:
        case CreateGroup():
            return "group_create"
        case ChangeGroup():
            return "group_change"
        case LookForGroup():
            return "group_look"
        case ReadGroup():
            return "group_read"
        case None:
            return "none"
        case _:
            assert_never(item.action)


def _without(people: Mapping[str, PersonId], refused: frozenset[str]) -> Mapping[str, PersonId]:
    return {account: person for account, person in people.items() if account not in refused}


def _note_ended(
    recorded: _Recorded,
    item: PlannedGroup,
    group_id: str,
    display_name: str,
    refused: frozenset[str],
) -> None:
    """All is done, or comes again for the members that the target refused."""
    code = _MEMBER_REFUSED if refused else None
    write = _write(item, group_id, display_name, error_code=code)
    recorded.writes.append(replace(write, adopted=write.adopted and item.held > 0))
    if code is None:
        recorded.done[item.claimed.name.key] = item.claimed.generation
        return
    at = recorded.now + timedelta(seconds=parked_wait_s(item.claimed.attempt))
    recorded.retries.append(GroupRetry(key=item.claimed.name.key, at=at, code=code))


def _note_missing(recorded: _Recorded, item: PlannedGroup) -> None:
    """Deleted by hand, or a create never carried out: plan afresh."""
    key, known = item.claimed.name.key, item.claimed.known
    shown = _shown(item, known)
    recorded.writes.append(_write(item, None, shown))
    recorded.removed.extend(
        MemberChange(key=key, account_id=account_id, person_id=person_id)
        for account_id, person_id in (_NOBODY if known is None else known.members).items()
    )
    recorded.retries.append(_again(item, recorded.now, code="group_missing"))


def _note_failed(recorded: _Recorded, item: PlannedGroup, code: str, wait_s: float) -> None:
    """Doubt stays: the next attempt reads before it changes anything."""
    known = item.claimed.known
    recorded.writes.append(
        _write(
            item,
            None if known is None else known.group_id,
            _shown(item, known),
            doubt=doubt_ahead(item),
            error_code=code,
        )
    )
    at = recorded.now + timedelta(seconds=wait_s)
    recorded.retries.append(GroupRetry(key=item.claimed.name.key, at=at, code=code))


def _shown(item: PlannedGroup, known: KnownGroup | None) -> str:
    if known is not None:
        return known.display_name
    return "" if item.desired is None else item.desired.display_name


def _write(
    item: PlannedGroup,
    group_id: str | None,
    display_name: str,
    *,
    doubt: Doubt | None = None,
    error_code: str | None = None,
) -> GroupWrite:
    return GroupWrite(
        name=item.claimed.name,
        group_id=group_id,
        display_name=display_name,
        doubt=doubt,
        held=item.held,
        error_code=error_code,
        cause=item.claimed.cause,
        adopted=is_adopted(item),
    )


def _again(item: PlannedGroup, now: datetime, *, code: str) -> GroupRetry:
    wait = timedelta(seconds=again_wait_s(item.claimed.attempt))
    return GroupRetry(key=item.claimed.name.key, at=now + wait, code=code)
