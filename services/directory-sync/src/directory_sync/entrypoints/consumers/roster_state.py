"""Door for topic `roster.state`: contract events in, domain values out, one use case.

Effects commit with the consumer's position; this door opens and closes no transaction.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date

from directory_sync.domain.fact import Cause
from directory_sync.domain.ids import DistrictId, PersonId
from directory_sync.domain.person import Person, Role, RosterClass, Seat
from directory_sync.ports import Unit
from directory_sync.usecases.record_state import ClassTold, PersonTold, RecordState
from roster_common.contracts.envelope import Event
from roster_common.contracts.roster_class_v1 import ClassState
from roster_common.contracts.roster_person_v1 import PersonState
from roster_common.errors import Invalid
from roster_common.runtime.database import Tx
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.log.consumer import Handler, Received

GROUP = "directory-sync"
TOPICS = ("roster.state",)
_ACTIVE = "active"


def roster_state_handler(
    record: RecordState,
    *,
    join: Callable[[Tx], Awaitable[Unit]],
    ring: Callable[[], None],
) -> Handler:
    """The handler for the consumer. `ring` tells the reconcilers of new marks, after the commit."""

    async def handle(tx: Tx, received: Sequence[Received]) -> None:
        events = [one.event for one in received]
        persons = [_person_told(event) for event in events if event.type == PersonState.TYPE]
        classes = [_class_told(event) for event in events if event.type == ClassState.TYPE]
        changed = await record(await join(tx), persons=persons, classes=classes)
        failpoint("directory.consume.before_commit")
        if changed:
            tx.after_commit(ring)

    return handle


def _person_told(event: Event) -> PersonTold:
    if isinstance(event.data, PersonState):
        person_id, person = PersonId(event.data.person_id), person_of(event.data)
    else:
        person_id, person = PersonId(_erased_id(event)), None
    return PersonTold(
        district_id=DistrictId(event.district_id),
        person_id=person_id,
        person=person,
        cause=_cause(event),
    )


def _class_told(event: Event) -> ClassTold:
    if isinstance(event.data, ClassState):
        class_id, roster_class = event.data.class_id, class_of(event.data)
    else:
        class_id, roster_class = _erased_id(event), None
    return ClassTold(
        district_id=DistrictId(event.district_id),
        class_id=class_id,
        roster_class=roster_class,
        cause=_cause(event),
    )


def _erased_id(event: Event) -> str:
    """The id in a tombstone's key, `person/{id}` or `class/{id}`."""
    _, slash, erased = (event.tombstone_key or "").partition("/")
    if not slash or not erased:
        raise Invalid("tombstone_without_id", field="key")
    return erased


def _cause(event: Event) -> Cause:
    return Cause(correlation_id=event.correlation_id, causation_id=event.id, origin=event.origin)


def person_of(state: PersonState) -> Person:
    """As much of a published person as accounts and groups are made from."""
    return Person(
        person_id=PersonId(state.person_id),
        active=state.status == _ACTIVE,
        enabled=state.enabled,
        given_name=state.given_name,
        family_name=state.family_name,
        preferred_first_name=state.preferred_first_name,
        preferred_last_name=state.preferred_last_name,
        username=state.username,
        email=state.email,
        primary_org_id=state.primary_org_id,
        roles=tuple(
            Role(
                role=role.role,
                role_type=role.role_type,
                org_id=role.org_id,
                begin=role.begin_date,
                end=role.end_date,
                org_name=role.org_name,
                org_type=role.org_type,
            )
            for role in state.roles
        ),
        seats=tuple(
            Seat(
                class_id=seat.class_id,
                role=seat.role,
                school_id=seat.school_id,
                begin=seat.begin_date,
                end=seat.end_date,
            )
            for seat in state.classes
        ),
    )


def class_of(state: ClassState) -> RosterClass:
    """As much of a published class as a group is made from."""
    return RosterClass(
        class_id=state.class_id,
        active=state.status == _ACTIVE,
        title=state.title,
        class_code=state.class_code,
        school_id=state.school_id,
        school_name=state.school_name,
        begin=_earliest(term.begin_date for term in state.terms),
        end=_latest(term.end_date for term in state.terms),
    )


def _earliest(days: Iterable[date | None]) -> date | None:
    """The first of the terms' begins; None, which is open, when a term leaves it out."""
    known = list(days)
    return min((d for d in known if d is not None), default=None) if None not in known else None


def _latest(days: Iterable[date | None]) -> date | None:
    known = list(days)
    return max((d for d in known if d is not None), default=None) if None not in known else None
