"""A transport that repeats itself, as the relay does after a crash, changes nothing."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from roster_common.ports import LogReader, OnAssigned, OnRevoked, Record, TopicPartition
from tests.contract.log.worlds import World, eventually, joined, running

Repeat = Callable[[Sequence[Record]], list[Sequence[Record]]]


def _whole_batch_again(records: Sequence[Record]) -> list[Sequence[Record]]:
    return [records, records]


def _twice_within_one_batch(records: Sequence[Record]) -> list[Sequence[Record]]:
    return [[*records, *records]]


def _back_to_an_earlier_one(records: Sequence[Record]) -> list[Sequence[Record]]:
    return [[*records, *records[:-1]], records[-1:]]


class RepeatingReader:
    """A real reader that hands its batches over as `repeat` says."""

    def __init__(self, reader: LogReader, repeat: Repeat) -> None:
        self._reader = reader
        self._repeat = repeat
        self._waiting: list[tuple[TopicPartition, Sequence[Record]]] = []

    @property
    def log_id(self) -> str:
        return self._reader.log_id

    async def start(self, on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        await self._reader.start(on_assigned, on_revoked)

    async def poll(
        self, *, max_records: int, timeout_s: float
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        if not self._waiting:
            found = await self._reader.poll(max_records=max_records, timeout_s=timeout_s)
            for lane, records in found.items():
                self._waiting += [(lane, again) for again in self._repeat(records)]
        return dict([self._waiting.pop(0)]) if self._waiting else {}

    async def report(self, positions: Mapping[TopicPartition, int]) -> None:
        await self._reader.report(positions)

    async def lag(self) -> Mapping[TopicPartition, int]:
        return await self._reader.lag()

    async def stop(self) -> None:
        await self._reader.stop()


@pytest.mark.parametrize(
    "repeat", [_whole_batch_again, _twice_within_one_batch, _back_to_an_earlier_one]
)
async def test_a_record_handed_over_again_takes_no_second_effect(
    log_world: World, repeat: Repeat
) -> None:
    real = log_world.reader
    log_world.reader = lambda database, group, topics, member: RepeatingReader(
        real(database, group, topics, member), repeat
    )
    persons = ["p0", "p1", "p2"]
    await log_world.publish(*(joined(person) for person in persons))

    async with running(log_world.consumer()):
        await eventually(lambda: _has_effects(log_world, 3))
        await log_world.publish(joined("last"))
        await eventually(lambda: _has_effect(log_world, "last"))

    assert await log_world.effects() == [*persons, "last"]


async def _has_effects(world: World, wanted: int) -> bool:
    return len(await world.effects()) >= wanted


async def _has_effect(world: World, person: str) -> bool:
    return person in await world.effects()
