"""Loop that tells vendors: each on its own, so that one that is down delays no other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from roster_common.runtime.bell import Ear
from roster_common.runtime.lifecycle import Stopping, go_on_without
from roster_common.runtime.metrics import metric
from roster_publisher.domain.webhooks import Subscription
from roster_publisher.usecases.push_changes import Turn

_IDLE_S: Final = 1.0
# After news comes more: what comes together goes out together.
_GATHER_S: Final = 0.1
_AFTER_ERROR_S: Final = 5.0
_TURN_TIMEOUT_S: Final = 120.0

logger = structlog.get_logger(__name__)

Push = Callable[[Subscription], Awaitable[Turn]]


def push_loop(
    push: Push,
    subscriptions: Sequence[Subscription],
    ear: Callable[[], Ear],
    close: Callable[[], Awaitable[None]],
) -> Callable[[Stopping], Awaitable[None]]:
    """The loop around one use case; `close` runs when all have ended."""

    async def run(stopping: Stopping) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for subscription in subscriptions:
                    group.create_task(_tell(push, subscription, ear(), stopping))
        finally:
            await close()

    return run


async def _tell(push: Push, subscription: Subscription, ear: Ear, stopping: Stopping) -> None:
    while not stopping.is_set():
        try:
            async with asyncio.timeout(_TURN_TIMEOUT_S):
                turn = await push(subscription)
        except Exception as error:  # noqa: BLE001 - counted and logged; the next turn tries again
            go_on_without("push", error, client=subscription.client_id)
            await stopping.wait(_AFTER_ERROR_S)
            continue
        if turn.call is not None:
            _note(subscription, turn.call)
        if turn.more:
            continue
        if turn.wait_s is not None:
            await stopping.wait(min(turn.wait_s, _IDLE_S))
        elif await ear.wait(_IDLE_S):
            await stopping.wait(_GATHER_S)


def _note(subscription: Subscription, call: str) -> None:
    metric("webhook_calls_total").labels(client=subscription.client_id, outcome=call).inc()
    if call == "stopped":
        logger.error("webhook_stopped", client=subscription.client_id)
