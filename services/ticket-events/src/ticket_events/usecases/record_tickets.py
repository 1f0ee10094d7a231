"""Keep facts of tickets, tell those that are new, and what they measure. Caller's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from roster_common.ports import Clock
from ticket_events.domain.ids import DistrictId
from ticket_events.domain.ticket import Measure, TicketFact, fold, measures
from ticket_events.ports import MeasureNews, TicketNews, Unit


class RecordTickets:
    """Late facts fill gaps and never undo newer ones; repeated facts change nothing."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    async def __call__(
        self,
        unit: Unit,
        district_id: DistrictId,
        facts: Sequence[TicketFact],
        *,
        time_zone: str = "UTC",
    ) -> frozenset[tuple[str, str, str]]:
        """(desk, ticket, key) of the facts that are new. Does not commit. The caller holds the
        district's lock, so that two facts of one ticket are not folded apart.
        """
        first = {(f.desk, f.ticket_id, f.key): f for f in reversed(facts)}
        new = await unit.tickets.add_facts(district_id, list(first.values()), now=self._clock.now())
        if not new:
            return new
        by_ticket: Mapping[tuple[str, str], list[TicketFact]] = defaultdict(list)
        touched = sorted({(desk, ticket_id) for desk, ticket_id, _ in new})
        for fact in await _of_the_living(
            unit, district_id, await unit.tickets.facts(district_id, touched)
        ):
            by_ticket[fact.desk, fact.ticket_id].append(fact)
        await unit.tickets.put(district_id, [fold(told) for told in by_ticket.values()])
        found = [m for told in by_ticket.values() for m in measures(told, time_zone=time_zone)]
        fresh = await unit.tickets.put_measures(district_id, found) if found else ()
        told_now = {k: f for k, f in first.items() if k in new}
        # `first` was built backwards to keep the first of repeated facts.
        await self._tell(unit, district_id, list(reversed(told_now.values())), fresh)
        return new

    async def _tell(
        self,
        unit: Unit,
        district_id: DistrictId,
        facts: Sequence[TicketFact],
        fresh: Sequence[Measure],
    ) -> None:
        facts = await _of_the_living(unit, district_id, facts)
        traits = [fact.traits for fact in facts]
        people = await unit.people.known(
            district_id, sorted({t.requester for t in traits if t.requester})
        )
        devices = await unit.devices.by_ref(
            district_id, sorted({t.device for t in traits if t.device})
        )
        await unit.emit(
            [
                *(
                    TicketNews(
                        district_id=district_id,
                        fact=fact,
                        requester_id=(
                            fact.traits.requester if fact.traits.requester in people else None
                        ),
                        device_id=devices.get(fact.traits.device or ""),
                    )
                    for fact in facts
                ),
                *(MeasureNews(district_id=district_id, measure=one) for one in fresh),
            ]
        )


async def _of_the_living(
    unit: Unit, district_id: DistrictId, facts: Sequence[TicketFact]
) -> Sequence[TicketFact]:
    """The facts, with the id that stands for a requester whose own id ended in a merge."""
    asked = sorted({fact.traits.requester for fact in facts if fact.traits.requester})
    now = await unit.people.survivors(district_id, asked)

    def living(fact: TicketFact) -> TicketFact:
        survivor = now.get(fact.traits.requester or "")
        if survivor is None:
            return fact
        return replace(fact, traits=replace(fact.traits, requester=survivor))

    return [living(fact) for fact in facts]
