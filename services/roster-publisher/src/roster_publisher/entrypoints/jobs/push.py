"""Loop that tells vendors: each on its own, so that one that is down delays no other.

One small read notices for all of them which districts have news. A change on its own is told at
once; when more follow, a subscription makes at most two calls a second, and fuller ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence, Set
from typing import Final

import structlog

from roster_common.runtime.bell import Bell, Ear
from roster_common.runtime.lifecycle import Stopping, go_on_without
from roster_common.runtime.metrics import metric
from roster_publisher.domain.webhooks import Subscription
from roster_publisher.usecases.push_changes import Turn

# How long news of another process, and what an operator asked for, may take to be noticed.
_LOOK_S: Final = 1.0
_IDLE_S: Final = 5.0
_BETWEEN_LOOKS_S: Final = 0.05
_BETWEEN_CALLS_S: Final = 0.5
_AFTER_ERROR_S: Final = 5.0
_TURN_TIMEOUT_S: Final = 120.0
_LOOK_TIMEOUT_S: Final = 30.0

logger = structlog.get_logger(__name__)

Push = Callable[[Subscription], Awaitable[Turn]]
Watch = Callable[[Set[str]], Awaitable[Set[str]]]


def push_loop(
    push: Push,
    watch: Watch,
    subscriptions: Sequence[Subscription],
    *,
    ear: Ear,
    close: Callable[[], Awaitable[None]],
) -> Callable[[Stopping], Awaitable[None]]:
    """The loop around the two use cases. `ear` hears of this process's own commits; `close` runs
    when all have ended.
    """
    bells = {one.district_id: Bell() for one in subscriptions}

    async def look(stopping: Stopping) -> None:
        """Wake the subscriptions of districts that have news."""
        while not stopping.is_set():
            try:
                async with asyncio.timeout(_LOOK_TIMEOUT_S):
                    news = await watch(bells.keys())
            except Exception as error:  # noqa: BLE001 - counted and logged; it looks again
                go_on_without("push", error)
                await stopping.wait(_AFTER_ERROR_S)
                continue
            for district_id in news:
                bells[district_id].ring()
            await ear.wait(_LOOK_S)
            await stopping.wait(_BETWEEN_LOOKS_S)

    async def run(stopping: Stopping) -> None:
        """All of it, until the stop."""
        try:
            async with asyncio.TaskGroup() as group:
                for one in subscriptions:
                    group.create_task(_tell(push, one, bells[one.district_id].ear(), stopping))
                group.create_task(look(stopping))
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
        elif turn.call is not None:
            await stopping.wait(_BETWEEN_CALLS_S)
        else:
            await _news(ear, stopping)


async def _news(ear: Ear, stopping: Stopping) -> None:
    """Wait for news, for `_IDLE_S` at most, and no longer than until the stop."""
    for _ in range(round(_IDLE_S / _LOOK_S)):
        if await ear.wait(_LOOK_S) or stopping.is_set():
            return


def _note(subscription: Subscription, call: str) -> None:
    metric("webhook_calls_total").labels(client=subscription.client_id, outcome=call).inc()
    if call == "stopped":
        logger.error("webhook_stopped", client=subscription.client_id)
