"""What the log promises, whatever carries it. Runs on PostgreSQL and on a real Kafka broker."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from itertools import count

import asyncpg
import orjson

from roster_common.contracts.codec import encode, partition_of
from roster_common.contracts.envelope import Outgoing
from roster_common.errors import Invalid
from roster_common.runtime.database import Database, Tx
from roster_common.runtime.log.append import append
from roster_common.runtime.log.consumer import DeadLetterPolicy, Received
from tests.contract.log.worlds import (
    SCHEMA,
    TOPIC,
    World,
    eventually,
    joined,
    person_of,
    record_effect,
    running,
)


async def test_offsets_are_dense_and_in_commit_order(world: World) -> None:
    """Writers that commit in any order, and some that roll back, leave no hole and no swap."""
    seen: list[tuple[int, int, str]] = []

    async def handle(tx: Tx, events: Sequence[Received]) -> None:
        seen.extend((item.partition, item.sequence, person_of(item)) for item in events)

    async def write(number: int, writer: Database) -> None:
        chance = random.Random(number)
        for step in range(10):
            try:
                async with writer.begin() as tx:
                    await asyncio.sleep(chance.random() / 200)
                    tx.emit(joined(f"{number}-{step}", district=f"d{chance.randrange(6)}"))
                    if chance.random() < 0.2:
                        raise _ChangedMyMindError
            except _ChangedMyMindError:
                continue

    async with running(world.consumer(handle)):
        await asyncio.gather(*(write(number, world.database) for number in range(8)))
        stored = await world.fetch("SELECT sum(next_offset)::int AS n FROM log.head")
        await eventually(lambda: _true(len(seen) >= stored[0]["n"]))

    by_partition: dict[int, list[int]] = {}
    for partition, sequence, _ in seen:
        by_partition.setdefault(partition, []).append(sequence)
    for sequences in by_partition.values():
        assert sequences == list(range(len(sequences)))
    assert Counter(person for _, _, person in seen).most_common(1)[0][1] == 1


async def test_events_of_one_district_arrive_in_the_order_they_were_committed(
    world: World,
) -> None:
    """A district is one order, also among other districts."""
    wanted = [f"p{number}" for number in range(120)]

    async with running(world.consumer(batch=7)):
        for person in wanted:
            await world.publish(joined(person), joined(f"other-{person}", district="elsewhere"))
        await eventually(lambda: _count(world, 240))

    assert [p for p in await world.effects() if not p.startswith("other")] == wanted


async def test_a_transaction_that_commits_late_is_never_skipped(world: World) -> None:
    """The number is given under a lock that ends with the commit: nobody overtakes."""
    slow = await asyncpg.connect(world.url)
    transaction = slow.transaction()
    await transaction.start()
    await append(slow, [encode(joined("slow"))])

    async with running(world.consumer()):
        fast = asyncio.create_task(world.publish(joined("fast")))
        await world.publish(joined("elsewhere", district=_district_of_other_partition()))
        await eventually(lambda: _count(world, 1))
        assert await world.effects() == ["elsewhere"]
        assert not fast.done()
        await transaction.commit()
        await fast
        await eventually(lambda: _count(world, 3))

    await slow.close()
    assert await world.effects() == ["elsewhere", "slow", "fast"]


async def test_a_rolled_back_handler_leaves_neither_effect_nor_position(world: World) -> None:
    """Effects and position share one transaction, so a failure repeats both or neither."""
    tries = 0

    async def handle(tx: Tx, events: Sequence[Received]) -> None:
        nonlocal tries
        tries += 1
        await record_effect(tx, events)
        if tries == 1:
            raise ConnectionResetError

    async with running(world.consumer(handle)):
        await world.publish(joined("p1"), joined("p2"))
        await eventually(lambda: _count(world, 2))

    assert tries >= 2
    assert await world.effects() == ["p1", "p2"]


async def test_three_consumers_share_the_work_and_take_over_from_one_that_leaves(
    world: World,
) -> None:
    """Every event is handled once while members come and go."""
    worked: set[str] = set()

    def handler(name: str):  # type: ignore[no-untyped-def]
        async def handle(tx: Tx, events: Sequence[Received]) -> None:
            worked.add(name)
            await record_effect(tx, events, name)

        return handle

    districts = [f"d{number}" for number in range(16)]
    first, second, third = (world.consumer(handler(name)) for name in ("a", "b", "c"))
    async with running(first):
        await world.publish(*(joined(f"1-{d}", district=d) for d in districts))
        await eventually(lambda: _count(world, 16))
        async with running(second, third):
            turns = count()

            async def all_have_worked() -> bool:
                await eventually(lambda: _all_done(world), within_s=60)
                turn = next(turns)
                await world.publish(*(joined(f"2-{turn}-{d}", district=d) for d in districts))
                return worked == {"a", "b", "c"}

            await eventually(all_have_worked, within_s=90)
            await eventually(lambda: _all_done(world))
        await world.publish(*(joined(f"3-{d}", district=d) for d in districts))
        await eventually(lambda: _all_done(world))

    assert worked == {"a", "b", "c"}
    effects = await world.effects()
    assert len(effects) == len(set(effects))


async def test_a_member_that_lost_its_partition_cannot_commit(world: World) -> None:
    """A newer generation fences the old one off: its transaction rolls back, effects and all."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def handle(tx: Tx, events: Sequence[Received]) -> None:
        await record_effect(tx, events, "slow" if not inside.is_set() else "next")
        if not inside.is_set():
            inside.set()
            await go_on.wait()

    async with running(world.consumer(handle)):
        await world.publish(joined("p1"))
        async with asyncio.timeout(30):
            await inside.wait()
        await _claimed_by_another(world)
        go_on.set()
        await eventually(lambda: _count(world, 1))

    assert [r["consumer"] for r in await world.fetch(f"SELECT consumer FROM {SCHEMA}.effect")] == [
        "next"
    ]


async def test_a_poison_message_is_set_aside_with_reason_and_reference_but_no_body(
    world: World,
) -> None:
    """What cannot be read goes to the dead-letter topic; what is good beside it is not lost."""
    good = encode(joined("p1"))
    poison = Outgoing(
        topic=good.topic,
        partition=good.partition,
        key=good.key,
        headers=good.headers,
        value=b'{"personId": 7, "role": "CANARY-NAME"}',
    )
    async with world.database.begin() as tx:
        await append(await tx.driver(), [good, poison, encode(joined("p2"))])

    async with running(world.consumer()):
        await eventually(lambda: _count(world, 2))

    letters = await _dead_letters(world)
    assert await world.effects() == ["p1", "p2"]
    assert len(letters) == 1
    body = orjson.loads(letters[0]["value"])
    assert (body["topic"], body["partition"], body["sequence"]) == (TOPIC, good.partition, 1)
    assert body["group"] == "readers"
    assert body["reason"]
    assert body["eventId"] == good.headers["ce_id"]
    assert b"CANARY" not in letters[0]["value"]
    assert "CANARY" not in str(letters[0]["headers"])


async def test_an_event_the_handler_calls_invalid_is_set_aside_alone(world: World) -> None:
    """One event of a batch is to blame; its neighbours keep their effects and their order."""

    async def handle(tx: Tx, events: Sequence[Received]) -> None:
        await record_effect(tx, events)
        if any(person_of(item) == "bad" for item in events):
            raise Invalid("unknown_school", field="toOrgIds")

    async with running(world.consumer(handle)):
        await world.publish(joined("p1"), joined("bad"), joined("p2"))
        await eventually(lambda: _count(world, 2))

    assert await world.effects() == ["p1", "p2"]
    bodies = [orjson.loads(row["value"]) for row in await _dead_letters(world)]
    assert [(b["reason"], b["field"]) for b in bodies] == [("unknown_school", "toOrgIds")]


async def test_too_many_dead_letters_stop_the_consumer(world: World) -> None:
    """Bad code must not empty a topic: the limit holds over restarts, and nothing is skipped."""

    async def handle(tx: Tx, events: Sequence[Received]) -> None:
        raise Invalid("always")

    policy = DeadLetterPolicy(limit=3, window_s=600)
    for _restart in range(2):
        consumer = world.consumer(handle, dead_letters=policy)
        async with running(consumer):
            await world.publish(*(joined(f"p{number}") for number in range(5)))
            await eventually(lambda: _true(consumer.state.startswith("stopped:")))  # noqa: B023
        assert consumer.state == "stopped: DeadLetterLimit"

    assert len(await _dead_letters(world)) == 3

    async with running(world.consumer()):
        await eventually(lambda: _count(world, 7))
    assert (await world.effects())[:2] == ["p3", "p4"]


async def test_an_unexpected_failure_of_one_event_does_not_block_the_others(
    world: World,
) -> None:
    """A bug that one event triggers is tried alone a few times and set aside by class name."""

    async def handle(tx: Tx, events: Sequence[Received]) -> None:
        await record_effect(tx, events)
        if any(person_of(item) == "bad" for item in events):
            raise KeyError("CANARY-NAME")

    async with running(world.consumer(handle)):
        await world.publish(joined("p1"), joined("bad"), joined("p2"))
        await eventually(lambda: _count(world, 2))

    letters = await _dead_letters(world)
    assert orjson.loads(letters[0]["value"])["reason"] == "unexpected:KeyError"
    assert b"CANARY" not in letters[0]["value"]


async def test_lost_events_are_noticed_and_never_skipped(direct: World) -> None:
    """A hole in the numbers stops the consumer before the event behind the hole."""
    async with running(direct.consumer()):
        await direct.publish(joined("p0"))
        await eventually(lambda: _count(direct, 1))
    await direct.fetch(
        "UPDATE log.head SET next_offset = next_offset + 1 WHERE topic = $1 AND partition = $2",
        TOPIC,
        partition_of("demo", 4),
    )
    await direct.publish(joined("behind-the-hole"))

    consumer = direct.consumer()
    async with running(consumer):
        await eventually(lambda: _true(consumer.state.startswith("stopped:")))

    assert consumer.state == "stopped: Fatal"
    assert await direct.effects() == ["p0"]


async def test_events_that_never_reached_the_broker_are_noticed(quiet_kafka: World) -> None:
    """The same where Kafka lost something: the reader looks again from the beginning, then stops."""
    world = quiet_kafka
    await world.publish(joined("p0"))
    async with running(world.relay(), world.consumer()):
        await eventually(lambda: _count(world, 1))
    await world.publish(joined("lost"))
    await world.fetch(
        "UPDATE log.consumer_position SET next_sequence = 2 WHERE topic = $1 AND next_sequence = 1",
        TOPIC,
    )
    await world.publish(joined("behind-the-hole"))

    # One record a poll: the repetitions from the beginning come in polls of their own.
    consumer = world.consumer(batch=1)
    async with running(world.relay(), consumer):
        await eventually(lambda: _true(consumer.state.startswith("stopped:")))

    assert consumer.state == "stopped: Fatal"
    assert await world.effects() == ["p0"]


async def test_a_handler_s_own_events_commit_with_its_effects(world: World) -> None:
    """What a consumer emits stands on the log if and only if its effects do."""
    failed = False

    async def handle(tx: Tx, events: Sequence[Received]) -> None:
        nonlocal failed
        await record_effect(tx, events)
        for item in events:
            if item.event.correlation_id.startswith("why-first"):
                tx.emit(joined(f"second-{person_of(item)}"))
        if not failed:
            failed = True
            raise ConnectionResetError

    async with running(world.consumer(handle)):
        await world.publish(joined("first"))
        await eventually(lambda: _count(world, 2))

    assert await world.effects() == ["first", "second-first"]


class _ChangedMyMindError(Exception):
    """Makes a writer roll back."""


def _district_of_other_partition() -> str:
    own = partition_of("demo", 4)
    return next(f"d{n}" for n in range(99) if partition_of(f"d{n}", 4) != own)


async def _true(value: bool) -> bool:
    return value


async def _count(world: World, wanted: int) -> bool:
    return len(await world.effects()) >= wanted


async def _all_done(world: World) -> bool:
    stored = await world.fetch(
        "SELECT sum(next_offset)::int AS n FROM log.head WHERE topic = $1", TOPIC
    )
    return len(await world.effects()) >= int(stored[0]["n"])


async def _dead_letters(world: World) -> list[asyncpg.Record]:
    return await world.fetch(
        "SELECT headers::text AS headers, value FROM log.event"
        " WHERE topic = 'deadletter.ticket-events' ORDER BY \"offset\""
    )


async def _claimed_by_another(world: World) -> None:
    await world.fetch(
        f"UPDATE {SCHEMA}.consumer_position SET generation = generation + 1, member_id = 'other'"
    )
