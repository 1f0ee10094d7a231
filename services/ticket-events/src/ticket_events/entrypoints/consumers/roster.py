"""Door for `roster.state` and `roster.lifecycle`: contract events in, domain values out.

Effects commit with the consumer's position; this door opens and closes no transaction.
"""

from collections.abc import Awaitable, Callable, Sequence

from roster_common.contracts.envelope import Event
from roster_common.contracts.roster_lifecycle_v1 import PersonJoined, PersonLeft
from roster_common.contracts.roster_person_v1 import PersonState
from roster_common.errors import Invalid
from roster_common.runtime.database import Tx
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.log.consumer import Handler, Received
from ticket_events.domain.cause import Cause
from ticket_events.domain.device_request import Joined, Left
from ticket_events.domain.ids import DistrictId, PersonId
from ticket_events.domain.person import HeldRole, KnownPerson, main_role
from ticket_events.ports import Unit
from ticket_events.usecases.follow_people import FollowPeople
from ticket_events.usecases.record_people import RecordPeople

GROUP = "ticket-events"
TOPICS = ("roster.state", "roster.lifecycle")
_ACTIVE = "active"


def roster_handler(
    record: RecordPeople, follow: FollowPeople, *, join: Callable[[Tx], Awaitable[Unit]]
) -> Handler:
    """The handler for the consumer; events of other types are none of our business."""

    async def handle(tx: Tx, received: Sequence[Received]) -> None:
        """Apply a batch inside `tx`, in log order. Raises `Invalid`. Does not commit."""
        unit = await join(tx)
        events = [one.event for one in received]
        told = [_told(event) for event in events if event.type == PersonState.TYPE]
        steps = [step for event in events if (step := _step(event)) is not None]
        if told:
            await record(unit, told)
        # In one order everywhere, because each district is locked.
        for district_id in sorted({step.district_id for step in steps}):
            await follow(unit, district_id, [s for s in steps if s.district_id == district_id])
        failpoint("tickets.consume.before_commit")

    return handle


def _told(event: Event) -> tuple[DistrictId, PersonId, KnownPerson | None]:
    district_id = DistrictId(event.district_id)
    if not isinstance(event.data, PersonState):
        return district_id, _erased_id(event), None
    person = known_person(district_id, event.data)
    return district_id, person.person_id, person


def _step(event: Event) -> Joined | Left | None:
    cause = Cause(correlation_id=event.correlation_id, causation_id=event.id, origin=event.origin)
    match event.data:
        case PersonJoined(person_id=person_id, role=role, to_org_ids=to_org_ids):
            return Joined(
                district_id=DistrictId(event.district_id),
                person_id=PersonId(person_id),
                role=role,
                to_org_ids=to_org_ids,
                cause=cause,
            )
        case PersonLeft(person_id=person_id, merged_into=merged_into):
            return Left(
                district_id=DistrictId(event.district_id),
                person_id=PersonId(person_id),
                cause=cause,
                merged_into=None if merged_into is None else PersonId(merged_into),
            )
        case _:
            return None


def _erased_id(event: Event) -> PersonId:
    """The id in a tombstone's key, `person/{id}`."""
    _, slash, erased = (event.tombstone_key or "").partition("/")
    if not slash or not erased:
        raise Invalid("tombstone_without_id", field="key")
    return PersonId(erased)


def known_person(district_id: DistrictId, state: PersonState) -> KnownPerson:
    """As much of a published person as tickets need; no name."""
    roles = [
        HeldRole(
            role=role.role, role_type=role.role_type, org_id=role.org_id, org_type=role.org_type
        )
        for role in state.roles
    ]
    main = main_role(roles)
    return KnownPerson(
        district_id=district_id,
        person_id=PersonId(state.person_id),
        active=state.status == _ACTIVE,
        role=None if main is None else main.role,
        school_id=state.primary_org_id or (None if main is None else main.org_id),
    )
