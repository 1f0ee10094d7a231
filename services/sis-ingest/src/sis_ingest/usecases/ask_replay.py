"""Ask for a replay: choose deliveries of a district and keep the wish to say them again."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from roster_common.errors import Invalid
from sis_ingest.domain.replays import Replay, Selection
from sis_ingest.ports import Clock, Ids
from sis_ingest.ports.units import Unit, Units


class UnknownDelivery(Invalid):
    """The district has no such delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskReplay:
    """Keeps replays. `poke` wakes whoever carries them out; called after the commit."""

    units: Units
    clock: Clock
    ids: Ids
    poke: Callable[[], None]

    async def __call__(
        self,
        district_id: str,
        selection: Selection,
        *,
        as_of_now: bool,
        dry_run: bool,
        requested_by: str,
        correlation_id: str,
    ) -> Replay:
        """The waiting replay. Commits.

        Deliveries that wait to be applied, and files that were only tried out, are left out.
        With `as_of_now` one file speaks of this moment: a rollback. Raises `UnknownDelivery`, or
        `Invalid` for that with anything but one file. Asked a second time it is a replay of its
        own, which finds nothing to change.
        """
        now = self.clock.now()
        waiting = Replay(
            replay_id=self.ids.new_id(),
            district_id=district_id,
            correlation_id=correlation_id,
            requested_by=requested_by,
            state="waiting",
            asked_at=now,
            dry_run=dry_run,
            as_of=now if as_of_now else None,
        )
        async with self.units.begin("run") as unit:
            await _ensure_known(unit, district_id, selection.delivery_ids)
            total = await unit.replays.add(waiting, selection)
            if as_of_now:
                await _ensure_one_file(unit, waiting)
            waiting = replace(waiting, total=total)
            await unit.replays.save(waiting)
        self.poke()
        return waiting


async def _ensure_known(unit: Unit, district_id: str, delivery_ids: Sequence[str]) -> None:
    """Raises before the store is asked for what can be no id."""
    try:
        wanted = {str(uuid.UUID(one)) for one in delivery_ids}
    except ValueError:
        raise UnknownDelivery("unknown_delivery", field="deliveryIds") from None
    if wanted and wanted != await unit.replays.known(district_id, sorted(wanted)):
        raise UnknownDelivery("unknown_delivery", field="deliveryIds")


async def _ensure_one_file(unit: Unit, waiting: Replay) -> None:
    found = await unit.replays.next(waiting, limit=2)
    if len(found) != 1 or found[0].kind != "snapshot":
        raise Invalid("one_file_only", field="asOf")
