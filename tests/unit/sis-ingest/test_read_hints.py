"""Reading what hints lead to: few at once, what was read stands, nothing is left running."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from roster_common.testkit.clock import FixedClock
from sis_ingest.domain.deliveries import Hint
from sis_ingest.ports.pulls import Item, SourceAway, SourceRefused
from sis_ingest.usecases.read_hints import ReadHints

HINTS = [Hint(section="students", item_id=str(number)) for number in range(100)]


class Outside:
    """A source of which only single items are read, each as `answer` says."""

    def __init__(self, answer: Callable[[str], Awaitable[Item | None]]) -> None:
        self._answer = answer
        self.running = self.most = self.asked = 0

    async def one(self, _section: str, item_id: str) -> Item | None:
        self.asked += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self._answer(item_id)
        finally:
            self.running -= 1


async def read(outside: Any, clock: FixedClock, *, at_least: frozenset[Hint] = frozenset()):
    return await ReadHints(clock=clock)(outside, HINTS, at_least=at_least)


async def test_a_hundred_hints_are_read_few_at_once() -> None:
    async def answer(item_id: str) -> Item:
        await asyncio.sleep(0)
        return {"id": item_id}

    outside = Outside(answer)
    found, away = await read(outside, FixedClock())

    assert {one.hint for one in found} == set(HINTS)
    assert away is None
    assert outside.most <= 8


async def test_one_item_that_fails_keeps_no_other_from_being_read() -> None:
    async def answer(item_id: str) -> Item:
        await asyncio.sleep(0)
        if item_id == "3":
            raise SourceAway("status_500")
        return {"id": item_id}

    found, away = await read(Outside(answer), FixedClock())

    assert len(found) == 99
    assert away is not None
    assert away.reason == "status_500"


async def test_a_source_that_is_away_is_not_asked_a_hundred_times() -> None:
    async def answer(_item_id: str) -> Item:
        await asyncio.sleep(0)
        raise SourceAway("unreachable")

    outside = Outside(answer)
    found, away = await read(outside, FixedClock())

    assert (found, away is not None, outside.running) == ([], True, 0)
    assert outside.asked <= 8


async def test_a_slow_source_gives_what_it_has_and_the_oldest_delivery_whole() -> None:
    clock = FixedClock()

    async def answer(item_id: str) -> Item:
        clock.advance(5)
        await asyncio.sleep(0)
        return {"id": item_id}

    oldest = frozenset(HINTS[:20])
    found, away = await read(Outside(answer), clock, at_least=oldest)

    assert away is None
    assert oldest <= {one.hint for one in found}
    assert len(found) < 30


@pytest.mark.parametrize("reason", ["unauthorized", "forbidden", "token_refused"])
async def test_access_that_is_refused_says_nothing_of_an_item(reason: str) -> None:
    async def answer(_item_id: str) -> Item:
        raise SourceRefused(reason)

    found, away = await read(Outside(answer), FixedClock())

    assert found == []
    assert away is not None
    assert away.reason == reason


async def test_an_item_that_is_refused_is_found_to_be() -> None:
    async def answer(_item_id: str) -> Item:
        raise SourceRefused("status_400")

    found, away = await read(Outside(answer), FixedClock())

    assert {one.refusal for one in found} == {"status_400"}
    assert away is None


async def test_an_item_of_a_shape_nobody_foresaw_keeps_no_other_from_being_read() -> None:
    async def answer(item_id: str) -> Item:
        await asyncio.sleep(0)
        return {"id": item_id, "school": {}["school"] if item_id == "3" else "s"}

    found, away = await read(Outside(answer), FixedClock())

    assert {one.hint for one in found} == set(HINTS)
    assert [(one.hint.item_id, one.refusal) for one in found if one.refusal] == [
        ("3", "unreadable_item")
    ]
    assert away is None
