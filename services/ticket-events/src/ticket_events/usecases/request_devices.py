"""A student joined: ask for a device. A person left: stop asking. The caller's transaction."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from roster_common.ports import Clock, IdSource
from ticket_events.domain.device_request import (
    REASON,
    DeviceRequest,
    Joined,
    Left,
    RequestState,
    needs_device,
    school_for,
)
from ticket_events.domain.ids import DistrictId, RequestId
from ticket_events.domain.presence import Presence
from ticket_events.ports import Unit


class RequestDevices:
    """Row and event commit together; a replayed event finds its row and does nothing."""

    def __init__(self, *, clock: Clock, ids: IdSource) -> None:
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        unit: Unit,
        district_id: DistrictId,
        steps: Sequence[tuple[Joined | Left, Presence | None]],
    ) -> int:
        """Steps of one district in the order of the log, each with how the person stood before.

        Returns how many requests are new. Does not commit.
        """
        new = 0
        # Runs of one kind, so that joining and leaving within a batch keep their order.
        for kind, run in groupby(steps, key=lambda one: type(one[0])):
            if kind is Left:
                left = [step for step, _ in run if isinstance(step, Left)]
                # What an ended id asked for goes to the one that stands for it (follow_merges.py).
                await unit.requests.cancel([one for one in left if one.merged_into is None])
            else:
                joined = await self._arrived(unit, district_id, list(run))
                new += await self._request(unit, district_id, joined)
        return new

    async def _arrived(
        self,
        unit: Unit,
        district_id: DistrictId,
        run: Sequence[tuple[Joined | Left, Presence | None]],
    ) -> Sequence[Joined]:
        """Who was not here. Of those hardly away only who was waiting for a device when leaving."""
        now = self._clock.now()
        away = [was for _, was in run if was is not None and was.is_back_soon(now)]
        waited = await unit.requests.cancelled_by(district_id, away) if away else frozenset()
        return [
            step
            for step, was in run
            if isinstance(step, Joined)
            and (
                was is None
                or (was.leaving_id is not None and not was.is_back_soon(now))
                or (was.leaving_id is not None and step.person_id in waited)
            )
        ]

    async def _request(self, unit: Unit, district_id: DistrictId, joined: Iterable[Joined]) -> int:
        wanted = [step for step in joined if needs_device(step)]
        # Who came back before the device did, or got one early, has one.
        provided = await unit.devices.holders(district_id, [step.person_id for step in wanted])
        wanted = [step for step in wanted if step.person_id not in provided]
        if not wanted:
            return 0
        schools = await unit.people.schools(district_id, [step.person_id for step in wanted])
        now = self._clock.now()
        requests = [
            DeviceRequest(
                district_id=step.district_id,
                request_id=RequestId(self._ids.new_id()),
                person_id=step.person_id,
                school_id=school_for(step.to_org_ids, known_school_id=schools.get(step.person_id)),
                role=step.role,
                reason=REASON,
                state=RequestState.OPEN,
                requested_at=now,
                cause=step.cause,
            )
            for step in wanted
        ]
        added = await unit.requests.add(requests)
        await unit.emit(added)
        return len(added)
