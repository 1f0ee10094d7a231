"""A reader that is alive, assigned and does nothing (aiokafka issue 1037) is replaced."""

import asyncio
from collections.abc import Mapping, Sequence

from roster_common.ports import LogReader, OnAssigned, OnRevoked, Record, TopicPartition
from tests.contract.log.worlds import World, eventually, joined, running


class SilentReader:
    """A real reader behind a fault: it joins, is assigned, and hands nothing over."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self.stopped = False

    @property
    def log_id(self) -> str:
        return self._reader.log_id

    async def start(self, on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        await self._reader.start(on_assigned, on_revoked)

    async def poll(
        self, *, max_records: int, timeout_s: float
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        await self._reader.poll(max_records=max_records, timeout_s=timeout_s)
        return {}

    async def report(self, positions: Mapping[TopicPartition, int]) -> None:
        await self._reader.report(positions)

    async def lag(self) -> Mapping[TopicPartition, int]:
        return {TopicPartition("roster.lifecycle", 0): 1}

    async def stop(self) -> None:
        self.stopped = True
        await self._reader.stop()


async def test_a_reader_with_lag_and_no_progress_is_replaced(world: World) -> None:
    real, silent = world.reader, []

    def first_one_silent(database, group, topics, member):  # type: ignore[no-untyped-def]
        reader = real(database, group, topics, member)
        if not silent:
            silent.append(SilentReader(reader))
            return silent[0]
        return reader

    world.reader = first_one_silent
    async with running(world.consumer(stall_s=1.0)):
        await world.publish(joined("p0"), joined("p1"))
        await eventually(lambda: _both(world), within_s=60)

    assert silent[0].stopped
    assert await world.effects() == ["p0", "p1"]


async def _both(world: World) -> bool:
    return len(await world.effects()) == 2


async def test_records_handed_over_before_the_claim_are_read_again(quiet_kafka: World) -> None:
    """aiokafka fetches from the moment of assignment; nothing before our seek may count."""
    world = quiet_kafka
    wanted = [f"p{number}" for number in range(2_000)]
    await world.publish(*(joined(person) for person in wanted))
    real, slowed = world.reader, []

    def slow_to_claim(database, group, topics, member):  # type: ignore[no-untyped-def]
        reader = SlowClaim(real(database, group, topics, member))
        slowed.append(reader)
        return reader

    world.reader = slow_to_claim
    async with running(world.relay()):
        await eventually(lambda: _relayed(world, 2_000), within_s=60)
        async with running(world.consumer(batch=10)):
            await eventually(lambda: _at_least(world, 2_000), within_s=60)

    assert slowed[0].polled_before_the_seek
    assert await world.effects() == wanted


class SlowClaim(SilentReader):
    """A real reader that polls once before its owner's claim and again before its seek."""

    def __init__(self, reader: LogReader) -> None:
        super().__init__(reader)
        self._first, self._claimed, self._second = (asyncio.Event() for _ in range(3))
        self.polled_before_the_seek = False

    async def start(self, on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        async def later(lanes):  # type: ignore[no-untyped-def]
            async with asyncio.timeout(60):
                await self._first.wait()
                starts = await on_assigned(lanes)
                self._claimed.set()
                await self._second.wait()
            self.polled_before_the_seek = True
            return starts

        await self._reader.start(later, on_revoked)

    async def poll(
        self, *, max_records: int, timeout_s: float
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        if self._first.is_set() and not self._claimed.is_set():
            await self._claimed.wait()
        before_the_seek = self._claimed.is_set() and not self._second.is_set()
        found = await self._reader.poll(max_records=max_records, timeout_s=timeout_s)
        if before_the_seek:
            self._second.set()
        # Assigned by now, as nobody else is in the group: what was fetched, was fetched early.
        if self._reader.assigned:  # type: ignore[attr-defined]
            self._first.set()
        return found


async def _relayed(world: World, wanted: int) -> bool:
    rows = await world.fetch(
        "SELECT 1 FROM log.consumer_position WHERE next_sequence >= $1", wanted
    )
    return bool(rows)


async def _at_least(world: World, wanted: int) -> bool:
    return len(await world.effects()) >= wanted
