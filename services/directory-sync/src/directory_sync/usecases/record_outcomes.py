"""Write down what a target answered: records, events, and which marks are done or come again.

One transaction. Only what is still under our lease is written, so that a slow worker cannot
overwrite a quicker one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from directory_sync.domain.account import ActualAccount, Asked, Names, NameSource
from directory_sync.domain.backoff import again_wait_s, asked_wait_s, parked_wait_s
from directory_sync.domain.fact import AccountFact, AccountStep, Fact
from directory_sync.domain.ids import PersonId
from directory_sync.domain.outcome import (
    Applied,
    Missing,
    NameTaken,
    Outcome,
    Rejected,
    Unavailable,
    is_refusal,
)
from directory_sync.domain.plan import Action, Create, Disable, Enable, Look, Update, not_taken
from directory_sync.domain.work import AccountWrite, Retry, least
from directory_sync.ports import Units, Wiring
from directory_sync.usecases.mark_groups import mark_groups_of_accounts
from directory_sync.usecases.prepare_actions import Work, failed_fact
from directory_sync.usecases.results import Prepared, named_fact
from roster_common.ports import Clock


@dataclass(slots=True, kw_only=True)
class _Recorded:
    """What one transaction will write; filled one outcome after another.

    `answered`: the target did something in this round, so it is not away.
    """

    now: datetime
    answered: bool
    writes: list[AccountWrite] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    done: dict[PersonId, int] = field(default_factory=dict)
    retries: list[Retry] = field(default_factory=list)
    disowned: list[str] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)


class RecordOutcomes:
    """The recording half of a reconcile, for one target."""

    def __init__(self, *, units: Units, wiring: Wiring, clock: Clock) -> None:
        self._units = units
        self._wiring = wiring
        self._clock = clock

    async def __call__(
        self, work: Work, outcomes: Sequence[Outcome]
    ) -> Mapping[tuple[str, str], int]:
        """One outcome per prepared item. Returns counts by (action, done, retried or failed).

        Commits. What lost its lease meanwhile is left to whoever holds it now.
        """
        district_id, target_id = self._wiring.policy.district_id, self._wiring.policy.target_id
        answered = any(not isinstance(outcome, Unavailable) for outcome in outcomes)
        recorded = _Recorded(now=self._clock.now(), answered=answered)
        async with self._units.recording() as unit:
            held = await unit.marks.held(district_id, target_id, token=work.token)
            for item, outcome in zip(work.prepared, outcomes, strict=True):
                if item.claimed.person_id in held:
                    self._note(recorded, item, outcome)
            now = recorded.now
            await unit.accounts.write(district_id, target_id, recorded.writes, now=now)
            for username in recorded.disowned:
                await unit.accounts.disown_username(district_id, target_id, username)
            await unit.marks.finish(district_id, target_id, recorded.done, now=now)
            await unit.marks.retry(district_id, target_id, recorded.retries)
            approved = [person_id for person_id in recorded.done if person_id in work.released]
            if approved:
                await unit.plans.finish(district_id, target_id, approved)
            before = {item.claimed.person_id: item.claimed.record for item in work.prepared}
            await mark_groups_of_accounts(
                unit, self._wiring.policy, before, recorded.writes, now=now
            )
            for fact in recorded.facts:
                unit.emit(fact)
        return recorded.counts

    def _note(self, recorded: _Recorded, item: Prepared, outcome: Outcome) -> None:
        match outcome:
            case Applied(actual=actual, linked=linked):
                result = self._note_applied(recorded, item, actual, linked=linked)
            case Missing():
                # Known account gone, or a create never carried out: plan afresh, same names.
                recorded.writes.append(_write(item, item.names, None))
                recorded.retries.append(_again(item, recorded.now, code="account_missing"))
                result = "retried"
            case NameTaken():
                result = self._note_name_taken(recorded, item)
            case Rejected(code=code):
                self._note_rejected(recorded, item, code)
                result = "failed"
            case Unavailable(code=code) if recorded.answered and is_refusal(
                code, item.claimed.attempt
            ):
                asked_at = recorded.now if _was_asked(item, outcome) else None
                self._note_rejected(recorded, item, code, asked_at=asked_at)
                result = "failed"
            case Unavailable():
                _note_unavailable(recorded, item, outcome)
                result = "retried"
            case _:
                assert_never(outcome)
        recorded.counts[action_name(item.action), result] += 1

    def _note_applied(
        self, recorded: _Recorded, item: Prepared, actual: ActualAccount, *, linked: bool
    ) -> str:
        creating = isinstance(item.action, Create)
        # A create met an account, or a look at one that we knew: nothing came to be.
        met = linked and (creating or item.known is not None)
        switched = actual.enabled is not isinstance(item.action, Disable)
        if not (linked or switched or creating):
            return self._note_not_switched(recorded, item, actual)
        named = None if item.links else named_fact(self._wiring, item.claimed, item.names)
        unheeded = None if linked else _unheeded(item, actual)
        write = _write(item, item.names, actual, unheeded=unheeded)
        recorded.writes.append(replace(write, named=named is not None))
        if not met:
            recorded.facts.append(self._applied_fact(item, actual))
        recorded.facts.extend(() if named is None else (named,))
        if linked:
            # What stood there was not written by this request: compare it once more.
            recorded.retries.append(_again(item, recorded.now, code="linked"))
        elif not switched:
            # Made, and made switched off: it is switched on next.
            recorded.retries.append(_again(item, recorded.now, code="created_off"))
        else:
            recorded.done[item.claimed.person_id] = item.claimed.generation
        return "done"

    def _note_not_switched(self, recorded: _Recorded, item: Prepared, actual: ActualAccount) -> str:
        """It said yes, and the account is on where it should be off, or off where on.

        An update never asked for that: somebody switched it meanwhile, and we look again.
        """
        if isinstance(item.action, Update):
            recorded.writes.append(_write(item, item.names, actual))
            recorded.retries.append(_again(item, recorded.now, code="switched_meanwhile"))
            return "retried"
        self._note_rejected(recorded, replace(item, known=actual), "not_heeded")
        return "failed"

    def _note_name_taken(self, recorded: _Recorded, item: Prepared) -> str:
        names = item.names
        if names is None or names.source is not NameSource.ALLOCATED or item.known is not None:
            self._note_rejected(recorded, item, "username_taken")
            return "failed"
        recorded.disowned.append(names.username)
        recorded.writes.append(_write(item, None, None))
        recorded.retries.append(_again(item, recorded.now, code="username_taken"))
        return "retried"

    def _note_rejected(
        self, recorded: _Recorded, item: Prepared, code: str, *, asked_at: datetime | None = None
    ) -> None:
        wait = timedelta(seconds=parked_wait_s(item.claimed.attempt))
        names = _names_kept(item)
        recorded.writes.append(_write(item, names, item.known, asked_at=asked_at, error_code=code))
        recorded.retries.append(
            Retry(person_id=item.claimed.person_id, at=recorded.now + wait, code=code)
        )
        recorded.facts.append(failed_fact(self._wiring, item.claimed, item.known, code=code))

    def _applied_fact(self, item: Prepared, actual: ActualAccount) -> AccountFact:
        step, changed = _step(item.action)
        return AccountFact(
            step=step,
            district_id=self._wiring.policy.district_id,
            target_id=self._wiring.policy.target_id,
            person_id=item.claimed.person_id,
            account_id=actual.account_id,
            attributes_changed=changed,
            attempt=item.claimed.attempt,
            error_code=None,
            cause=item.claimed.cause,
        )


def action_name(action: Action | Look) -> str:
    """The action's name on counters: create, update, disable, enable or look."""
    return type(action).__name__.lower()


def _step(action: Action | Look) -> tuple[AccountStep, tuple[str, ...]]:
    match action:
        case Create(desired=desired):
            return AccountStep.CREATED, tuple(sorted(desired.attributes))
        case Look():
            # The create was ours and its event was never written: this is it.
            return AccountStep.CREATED, ()
        case Update(changes=changes):
            return AccountStep.UPDATED, tuple(change.name for change in changes)
        case Enable(changes=changes):
            return AccountStep.ENABLED, tuple(change.name for change in changes)
        case Disable():
            return AccountStep.DISABLED, ()
        case _:
            assert_never(action)


def _was_asked(item: Prepared, outcome: Unavailable) -> bool:
    """Whether an account may have been made whose answer we never saw."""
    creating = isinstance(item.action, Create) and outcome.maybe_done
    return creating or isinstance(item.action, Look)


def _note_unavailable(recorded: _Recorded, item: Prepared, outcome: Unavailable) -> None:
    wait_s = asked_wait_s(outcome.retry_after_s, item.claimed.attempt)
    recorded.writes.append(
        _write(
            item,
            _names_kept(item),
            item.known,
            asked_at=recorded.now if _was_asked(item, outcome) else None,
            error_code=outcome.code,
        )
    )
    recorded.retries.append(
        Retry(
            person_id=item.claimed.person_id,
            at=recorded.now + timedelta(seconds=wait_s),
            code=outcome.code,
        )
    )


def _names_kept(item: Prepared) -> Names | None:
    """New names of an account that was not changed are not its names yet."""
    record = item.claimed.record
    if item.known is not None and record is not None and record.names is not None:
        return record.names
    return item.names


def _write(
    item: Prepared,
    names: Names | None,
    actual: ActualAccount | None,
    *,
    asked_at: datetime | None = None,
    error_code: str | None = None,
    unheeded: Asked | None = None,
) -> AccountWrite:
    write = AccountWrite(
        person_id=item.claimed.person_id,
        names=names,
        actual=actual,
        asked_at=asked_at,
        error_code=error_code,
        cause=item.claimed.cause,
        unheeded=unheeded,
    )
    return least(write, item.claimed.person)


def _unheeded(item: Prepared, actual: ActualAccount) -> Asked | None:
    """What the target did not take; None when this action says nothing of it."""
    if isinstance(item.action, Look):
        return None
    record = item.claimed.record
    return not_taken(item.action, actual, {} if record is None else record.unheeded)


def _again(item: Prepared, now: datetime, *, code: str) -> Retry:
    wait = timedelta(seconds=again_wait_s(item.claimed.attempt))
    return Retry(person_id=item.claimed.person_id, at=now + wait, code=code)
