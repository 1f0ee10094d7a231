"""SIGKILL of real processes between any two steps of the log, then a restart: nothing changes.

Each test proves by a marker file and the exit signal that the process died at the named point.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from roster_common.contracts.codec import encode
from roster_common.contracts.envelope import Outgoing
from roster_common.runtime.log.append import append
from tests.contract.log.worlds import TOPIC, World, eventually, joined, running

ROOT = Path(__file__).parents[3]
PERSONS = [f"p{number}" for number in range(10)]


@asynccontextmanager
async def worker(
    role: str, world: World, *, failpoint: str | None = None, marker: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One operating-system process in a role; ended, whatever happens."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    if failpoint is not None:
        environment |= {"HOMEROOM_FAILPOINT": failpoint, "HOMEROOM_FAILPOINT_FILE": str(marker)}
    arguments = [role, world.url]
    if world.bootstrap is not None:
        arguments += [world.bootstrap, world.prefix]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.log_worker", *arguments, cwd=ROOT, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), timeout=20)
            except TimeoutError:
                process.kill()
                await process.wait()


async def killed_at(role: str, world: World, failpoint: str, tmp_path: Path) -> None:
    """Run `role` until it dies at the fail point; fail if it does not."""
    marker = tmp_path / "hit"
    async with worker(role, world, failpoint=failpoint, marker=marker) as process:
        code = await asyncio.wait_for(process.wait(), timeout=60)
    assert code == -signal.SIGKILL
    assert marker.exists()


@pytest.mark.parametrize(
    ("failpoint", "standing"),
    [("log.append.before_commit@4", 3), ("log.append.after_commit@4", 4)],
)
async def test_a_writer_killed_around_its_commit_leaves_all_or_nothing(
    direct: World, tmp_path: Path, failpoint: str, standing: int
) -> None:
    """The event stands if and only if the transaction does, and no number is lost."""
    await killed_at("write", direct, failpoint, tmp_path)

    async with running(direct.consumer()):
        await eventually(lambda: _effects(direct, standing))
        await direct.publish(joined("after"))
        await eventually(lambda: _effects(direct, standing + 1))
    assert await direct.effects() == [*PERSONS[:standing], "after"]


@pytest.mark.parametrize(
    "failpoint",
    [
        "log.consume.after_effect",
        "log.consume.before_commit@2",
        "log.consume.after_commit@2",
    ],
)
async def test_a_consumer_killed_between_any_two_steps_repeats_nothing(
    world: World, tmp_path: Path, failpoint: str
) -> None:
    """Effects without a key would show a repetition; there is none."""
    await world.publish(*(joined(person) for person in PERSONS))

    await killed_at("consume", world, failpoint, tmp_path)
    async with worker("consume", world):
        await eventually(lambda: _effects(world, len(PERSONS)))
        await world.publish(joined("after"))
        await eventually(lambda: _effects(world, len(PERSONS) + 1))

    assert await world.effects() == [*PERSONS, "after"]


async def test_a_consumer_killed_while_setting_an_event_aside_sets_it_aside_once(
    world: World, tmp_path: Path
) -> None:
    """The dead letter and the position are one commit."""
    good = encode(joined("p0"))
    poison = Outgoing(
        topic=TOPIC, partition=good.partition, key=good.key, headers=good.headers, value=b"{"
    )
    async with world.database.begin() as tx:
        await append(await tx.driver(), [good, poison])

    await killed_at("consume", world, "log.deadletter.before_commit", tmp_path)
    async with worker("consume", world):
        await eventually(lambda: _effects(world, 1))
        await eventually(lambda: _letters(world, 1))
        await world.publish(joined("after"))
        await eventually(lambda: _effects(world, 2))

    assert await world.effects() == ["p0", "after"]
    assert await _letters(world, 1)
    assert not await _letters(world, 2)


@pytest.mark.parametrize(
    "failpoint", ["log.relay.before_send@2", "log.relay.after_send@2", "log.relay.after_mark@2"]
)
async def test_a_relay_killed_between_any_two_steps_loses_and_doubles_nothing(
    quiet_kafka: World, tmp_path: Path, failpoint: str
) -> None:
    """It may publish twice; readers know the repetition by its sequence."""
    for person in PERSONS[:5]:
        await quiet_kafka.publish(joined(person), joined(person, district="elsewhere"))
    killing = asyncio.create_task(killed_at("relay", quiet_kafka, failpoint, tmp_path))
    await killing
    for person in PERSONS[5:]:
        await quiet_kafka.publish(joined(person), joined(person, district="elsewhere"))

    async with worker("relay", quiet_kafka), running(quiet_kafka.consumer()):
        await eventually(lambda: _effects(quiet_kafka, 20))
        await quiet_kafka.publish(joined("after"))
        await eventually(lambda: _effects(quiet_kafka, 21))

    effects = await quiet_kafka.effects()
    assert len(effects) == 21
    assert sorted(effects) == sorted([*PERSONS, *PERSONS, "after"])


async def test_a_keeper_killed_before_it_drops_a_day_drops_it_next_time(
    direct: World, tmp_path: Path
) -> None:
    """Half a retention run is no run: the day still stands with its events."""
    await direct.publish(joined("p0"))
    async with running(direct.consumer()):
        await eventually(lambda: _effects(direct, 1))
        await eventually(lambda: _passed(direct))

    await killed_at("keep", direct, "log.retention.before_drop", tmp_path)
    assert await direct.fetch("SELECT 1 FROM log.event")
    async with worker("keep", direct) as process:
        assert await asyncio.wait_for(process.wait(), timeout=60) == 0

    assert not await direct.fetch("SELECT 1 FROM log.event")


async def _effects(world: World, wanted: int) -> bool:
    return len(await world.effects()) >= wanted


async def _letters(world: World, wanted: int) -> bool:
    rows = await world.fetch("SELECT 1 FROM log.event WHERE topic = 'deadletter.ticket-events'")
    return len(rows) >= wanted


async def _passed(world: World) -> bool:
    return bool(await world.fetch("SELECT 1 FROM log.progress WHERE next_sequence = 1"))
