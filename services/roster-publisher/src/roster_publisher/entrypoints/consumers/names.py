"""Door of topic `directory.accounts`: names that targets allocated. Other facts pass by.

A group of its own, so that trouble with names never stops the roster; the lock of the district's
revision keeps both in one order.
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from roster_common.contracts.directory_account_v1 import AccountNamed
from roster_common.runtime.database import Tx
from roster_common.runtime.failpoints import failpoint
from roster_common.runtime.log.consumer import Received
from roster_publisher.domain.names import Allocated
from roster_publisher.domain.publication import Cause
from roster_publisher.ports.publishing import RosterUnit
from roster_publisher.usecases.take_names import TakeNames

logger = structlog.get_logger(__name__)

TOPIC = "directory.accounts"
UnitOf = Callable[[Tx], Awaitable[RosterUnit]]


class NamesDoor:
    """Handler of the consumer: everything of a batch commits with its position, or not at all."""

    def __init__(self, take: TakeNames, unit_of: UnitOf) -> None:
        self._take = take
        self._unit_of = unit_of

    async def __call__(self, tx: Tx, events: Sequence[Received]) -> None:
        """Take a batch inside `tx`; districts in order, so that none waits crosswise."""
        by_district: dict[str, list[Allocated]] = {}
        for received in events:
            one = allocated_of(received)
            if one is not None:
                by_district.setdefault(received.event.district_id, []).append(one)
        if not by_district:
            return
        unit = await self._unit_of(tx)
        for district_id in sorted(by_district):
            taken = await self._take(unit, district_id, by_district[district_id])
            logger.info(
                "names_taken",
                district=district_id,
                revision=taken.revision,
                kept=taken.kept,
                renamed=taken.renamed,
            )
        failpoint("publisher.names.before_commit")
        tx.after_commit(_committed)


def _committed() -> None:
    failpoint("publisher.names.after_commit")


def allocated_of(received: Received) -> Allocated | None:
    """The allocation in an event; None for every other type."""
    event = received.event
    match event.data:
        case AccountNamed() as data:
            return Allocated(
                person_id=data.person_id,
                target=data.target,
                username=data.username or None,
                email=data.email or None,
                time=event.time,
                cause=Cause(
                    event_id=event.id, correlation_id=event.correlation_id, origin=event.origin
                ),
            )
        case _:
            return None
