"""Loop that writes packages by schedule, one after the other, and takes back those of vendors that
ended; one that fails delays no other.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from roster_common.runtime.lifecycle import Stopping, go_on_without
from roster_common.runtime.metrics import metric
from roster_publisher.domain.export_schedule import ScheduledExport
from roster_publisher.usecases.take_back_packages import TakeBackPackages
from roster_publisher.usecases.write_exports import Turn

_LOOK_S: Final = 5.0

logger = structlog.get_logger(__name__)


def export_loop(
    write: Callable[[ScheduledExport], Awaitable[Turn]],
    exports: Sequence[ScheduledExport],
    *,
    take_back: TakeBackPackages,
) -> Callable[[Stopping], Awaitable[None]]:
    """The loop around the use cases."""

    async def run(stopping: Stopping) -> None:
        """Look every few seconds, until the stop."""
        while not stopping.is_set():
            try:
                await _take_back(take_back)
            except Exception as error:  # noqa: BLE001 - counted and logged; it is tried again
                go_on_without("exports", error)
            for one in exports:
                if stopping.is_set():
                    return
                try:
                    turn = await write(one)
                except Exception as error:  # noqa: BLE001 - counted and logged; it is tried again
                    go_on_without("exports", error, client=one.client_id, export=one.name)
                    continue
                _note(one, turn)
            await stopping.wait(_LOOK_S)

    return run


async def _take_back(take_back: TakeBackPackages) -> None:
    for one in await take_back.ended():
        try:
            files = await take_back(one)
        except Exception as error:  # noqa: BLE001 - counted and logged; it is tried again
            go_on_without("exports", error, client=one.client_id, folder=one.folder)
            continue
        if files:
            logger.info("packages_taken_back", folder=one.folder, files=files)


def _note(one: ScheduledExport, turn: Turn) -> None:
    if turn.outcome == "broken":
        logger.warning("export_broken_off", client=one.client_id, export=one.name)
    if turn.done_at is not None:
        last = metric("export_last_success_seconds").labels(client=one.client_id, export=one.name)
        last.set(turn.done_at.timestamp())
