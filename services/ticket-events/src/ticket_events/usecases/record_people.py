"""Keep id, role and school of every person the roster tells of. The caller's transaction."""

from collections.abc import Sequence

from roster_common.ports import Clock
from ticket_events.domain.ids import DistrictId, PersonId
from ticket_events.domain.person import KnownPerson
from ticket_events.ports import Unit


class RecordPeople:
    """Stores what changed; running it again changes nothing."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    async def __call__(
        self,
        unit: Unit,
        told: Sequence[tuple[DistrictId, PersonId, KnownPerson | None]],
    ) -> int:
        """In the order of the log; None means erased; the last word about a person counts.

        Returns how many changed. Does not commit.
        """
        last = {(district_id, person_id): person for district_id, person_id, person in told}
        present = [person for person in last.values() if person is not None]
        erased = [key for key, person in last.items() if person is None]
        if erased:
            await unit.people.erase(erased)
        return await unit.people.put(present, now=self._clock.now()) if present else 0
