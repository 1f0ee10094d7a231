"""Domain events to contracts: the only place of this service that knows both."""

from collections.abc import Sequence
from typing import Any, assert_never

from roster_common.contracts.envelope import Event, EventData
from roster_common.contracts.identity_crosswalk_v1 import (
    CrosswalkConfirmed,
    CrosswalkDecision,
    CrosswalkLinked,
    CrosswalkMerged,
    CrosswalkSplit,
    CrosswalkSuggested,
)
from roster_common.contracts.record_tobedeleted_v1 import TOBEDELETED
from roster_common.contracts.record_upserted_v1 import UPSERTED
from roster_common.contracts.safety_breaker_v1 import (
    BreakerApproved,
    BreakerExpired,
    BreakerFact,
    BreakerRejected,
    BreakerTripped,
)
from roster_common.contracts.sis_runs_v1 import (
    ChangeReceived as ChangeReceivedV1,
)
from roster_common.contracts.sis_runs_v1 import (
    RunCounts,
    SnapshotCompleted,
    SnapshotFailed,
    SnapshotRun,
    SnapshotStarted,
)
from roster_common.contracts.user_keychanged_v1 import UserKeyChanged as UserKeyChangedV1
from roster_common.runtime.service import Runtime
from sis_ingest.domain.events import (
    ChangeReceived,
    DomainEvent,
    HoldMoved,
    OutsideIdLinked,
    OutsideIdMerged,
    OutsideIdSplit,
    RecordToBeDeleted,
    RecordUpserted,
    SnapshotMoved,
    SuggestionMoved,
    UserKeyChanged,
)
from sis_ingest.domain.identity import on_the_log
from sis_ingest.domain.runs import Counts

_MOMENTS = {
    "started": SnapshotStarted,
    "completed": SnapshotCompleted,
    "failed": SnapshotFailed,
}


class EventMapper:
    """Turns what happened here into events of the house."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __call__(self, event: DomainEvent) -> Event:
        """The event, stamped now, under the ids of its cause."""
        if isinstance(event, SnapshotMoved):
            run = event.run
            return self._runtime.new_event(
                _snapshot(event),
                district_id=run.place.district_id,
                origin=run.origin or "snapshot",
                correlation_id=run.correlation_id,
                causation_id=run.delivery_id,
            )
        if isinstance(event, HoldMoved):
            hold = event.hold
            return self._runtime.new_event(
                _breaker(event),
                district_id=hold.place.district_id,
                origin=hold.cause.origin,
                correlation_id=hold.cause.correlation_id,
                causation_id=hold.cause.delivery_id,
            )
        return self._runtime.new_event(
            to_data(event),
            district_id=event.district_id,
            origin=event.cause.origin,
            correlation_id=event.cause.correlation_id,
            causation_id=event.cause.delivery_id,
        )


def to_data(event: DomainEvent) -> EventData:
    """The event's body. Pure."""
    match event:
        case RecordUpserted():
            return UPSERTED[event.entity].model_validate(
                {
                    "record": event.record,
                    "changed": event.changed,
                    "beforeHash": None if event.before_hash is None else event.before_hash.hex(),
                }
            )
        case RecordToBeDeleted():
            return TOBEDELETED[event.entity](
                sourced_id=event.entity_id, reason=event.reason, merged_into=event.merged_into
            )
        case ChangeReceived():
            return _received(event)
        case SnapshotMoved():
            return _snapshot(event)
        case OutsideIdLinked() | OutsideIdMerged() | OutsideIdSplit():
            return _moved(event)
        case SuggestionMoved():
            return _suggestion(event)
        case UserKeyChanged():
            return UserKeyChangedV1(
                person_id=event.person_id,
                old_keys=_keys(event.old_keys),
                new_keys=_keys(event.new_keys),
                reason=event.reason,
            )
        case HoldMoved():
            return _breaker(event)
        case _:
            assert_never(event)


def _moved(event: OutsideIdLinked | OutsideIdMerged | OutsideIdSplit) -> CrosswalkDecision:
    fact: dict[str, Any] = {
        "entity": event.entity,
        "id": event.entity_id,
        "system": event.source_id,
        "external_id": on_the_log(event.external_id),
        "match_rule": event.match_rule,
        "decided_by": event.decided_by,
    }
    match event:
        case OutsideIdLinked():
            return CrosswalkLinked(**fact)
        case OutsideIdMerged():
            return CrosswalkMerged(**fact, merged_id=event.merged_id)
        case OutsideIdSplit():
            return CrosswalkSplit(**fact, split_from_id=event.split_from_id)
        case _:
            assert_never(event)


def _suggestion(event: SuggestionMoved) -> CrosswalkSuggested | CrosswalkConfirmed:
    one = event.suggestion
    fact = {
        "suggestion_id": one.suggestion_id,
        "entity": one.entity,
        "id": one.one_id,
        "other_id": one.other_id,
        "match_rule": one.rule,
        "score": one.score,
    }
    if event.moment == "suggested":
        return CrosswalkSuggested(**fact)
    return CrosswalkConfirmed(**fact, decided_by=one.decided_by or "")


def _keys(outside_ids: Sequence[str]) -> tuple[str, ...]:
    """Sorted, each once: several that are withheld look the same."""
    return tuple(sorted({on_the_log(one) for one in outside_ids}))


def _received(event: ChangeReceived) -> ChangeReceivedV1:
    return ChangeReceivedV1(
        connector=event.source_id,
        resource=event.entity,
        external_id=on_the_log(event.external_id),
        change_type="delete" if event.deleted else "update",
        delivery_id=event.cause.delivery_id,
        received_at=event.received_at,
        verified=event.verified,
        source_version=None if event.version is None else str(event.version),
    )


def _snapshot(event: SnapshotMoved) -> SnapshotRun:
    run = event.run
    return _MOMENTS[event.moment](
        run_id=run.run_id,
        source_id=run.place.source_id,
        collections={entity: _counts(c) for entity, c in run.report.collections.items()},
        complete=event.moment == "completed",
        sha256=run.sha256,
        reason=run.reason,
    )


def _breaker(event: HoldMoved) -> BreakerFact:
    hold = event.hold
    fact = {
        "hold_id": hold.hold_id,
        "guard": "removals" if hold.operation == "remove" else "additions",
        "subject_name": hold.place.source_id,
        "entity": hold.entity,
        "operation": hold.operation,
        "count": hold.count,
        "population": hold.population,
        "percent": hold.percent,
        "limit": hold.limit,
        "limit_percent": hold.limit_percent,
        "plan_hash": hold.decision.items_hash,
    }
    match event.moment:
        case "tripped":
            return BreakerTripped(**fact)
        case "approved":
            first, *others = hold.decision.approvals
            second = others[0] if others else None
            return BreakerApproved(**fact, approver=first, second_approver=second)
        case "rejected":
            return BreakerRejected(**fact, rejected_by=event.rejected_by or "", reason=hold.reason)
        case "expired":
            return BreakerExpired(**fact)
        case _:
            assert_never(event.moment)


def _counts(counts: Counts) -> RunCounts:
    return RunCounts(
        read=counts.read,
        changed=counts.changed,
        unchanged=counts.unchanged,
        refused=counts.refused,
        missing=counts.missing,
        removed=counts.removed + counts.deleted,
        held=counts.held,
    )
