"""Vendors are told by signed webhooks; a receiver that misbehaves misses nothing (ADR 0025)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roster_common.errors import Retriable
from roster_publisher.adapters.postgres.feed import PostgresFeed
from roster_publisher.domain.webhooks import Standing
from roster_publisher.usecases.watch_districts import WatchDistricts
from tests.support.feed_reader import FeedReader, full_pull, kinds
from tests.support.oneroster_records import org, role, school_world, user
from tests.support.publishing import Publishing
from tests.support.pushing import pushing
from tests.support.slow_commits import WORLD
from tests.support.webhook_receiver import Receiver, start_receiver

NEW, OLD = "whsec_" + "bmV3" * 8, "whsec_" + "b2xk" * 8
DAY_S = 86_400


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A vendor's process that knows the new secret and the old one."""
    started = start_receiver(tmp_path / "receiver", NEW, OLD)
    yield started
    started.kill()


def types(calls: list[dict[str, Any]]) -> list[str]:
    """What each call was."""
    return [call["body"]["type"] for call in calls]


async def test_a_vendor_that_applies_every_call_holds_its_view(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*WORLD)
    async with (
        publishing.vendor("vendor", schools=("s1",)) as http,
        pushing(publishing, receiver.url, NEW, OLD) as vendor,
    ):
        await vendor.all()
        await publishing.publish(("user", user("u000", role("s2"))))
        await publishing.publish(("user", "u001"), merged_into="u002")
        await vendor.all()
        copy = FeedReader(http)
        for one in receiver.changes():
            copy.take(one)
        assert copy.rows == await full_pull(http)
        # The cursor that a call gives is one for `/changes`: the two are one feed.
        copy.cursor = receiver.calls()[-1]["body"]["data"]["next"]
        assert await copy.poll() == []

    assert copy.merged == {"u001": "u002"}
    assert [call["signers"] for call in receiver.calls()] == [[0, 1]] * 2
    assert {call["path"] for call in receiver.calls()} == {"/hook"}


async def test_secrets_change_without_a_call_that_nobody_believes(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=3))
    async with publishing.vendor():
        for place, secrets in enumerate([(OLD,), (NEW, OLD), (NEW,)]):
            async with pushing(publishing, receiver.url, *secrets) as vendor:
                await publishing.publish(("user", user(f"u00{place}", givenName="New")))
                await vendor.all()
    assert [call["signers"] for call in receiver.calls()] == [[1], [0, 1], [0]]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("lose", "unreachable"),
        ("hang", "timeout"),
        ("redirect", "redirected"),
        ("flood", "too_large"),
        ("500", "status_500"),
        ("503", "status_503"),
        ("400", "status_400"),
    ],
)
async def test_what_a_receiver_did_not_take_is_told_again_under_the_same_id(
    publishing: Publishing, receiver: Receiver, word: str, reason: str
) -> None:
    await publishing.publish(*school_world(users=1))
    receiver.behave(word, "ok")
    patience_s = 3.0 if word == "hang" else 15.0
    async with (
        publishing.vendor(),
        pushing(publishing, receiver.url, NEW, timeout_s=patience_s) as vendor,
    ):
        await vendor.all()
        failed = await vendor.standing()
        waiting = await vendor.turn()
        # What is published meanwhile, a second later, goes into a call of its own.
        await publishing.publish(("user", user("u999")))
        await vendor.all()
        sound = await vendor.standing()

    first, second, third = receiver.calls()
    assert (failed.failures, failed.reason, failed.cursor) == (1, reason, None)
    assert 0 < (waiting.wait_s or 0) <= 1
    assert first["id"] == second["id"]
    assert first["body"]["data"]["changes"] == second["body"]["data"]["changes"]
    assert kinds(third["body"]["data"]["changes"]) == [("users.upserted", "u999")]
    assert (sound.failures, sound.reason, sound.delivered_at) == (0, None, publishing.clock.now())


async def test_at_most_a_hundred_changes_go_into_one_call(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=246))
    async with publishing.vendor(), pushing(publishing, receiver.url, NEW) as vendor:
        await vendor.all()
    counts = [len(call["body"]["data"]["changes"]) for call in receiver.calls()]
    assert counts == [100, 100, 50]
    assert len({call["id"] for call in receiver.calls()}) == 3


async def test_a_call_is_no_longer_than_a_megabyte(
    publishing: Publishing, receiver: Receiver
) -> None:
    long = {"metadata": {"note": "x" * 300_000}}
    await publishing.publish(*school_world(), *(("user", user(f"u{n}", **long)) for n in range(5)))
    async with publishing.vendor(), pushing(publishing, receiver.url, NEW) as vendor:
        await vendor.all()
    calls = receiver.calls()
    assert [len(call["body"]["data"]["changes"]) for call in calls] == [7, 2]
    assert sorted(one["sourcedId"] for one in receiver.changes()) == sorted(
        ["s1", "t1", "c1", "k1", *(f"u{n}" for n in range(5))]
    )


async def test_it_is_tried_for_three_days_and_then_stopped_until_somebody_replays(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=1))
    receiver.behave("500")
    async with publishing.vendor(), pushing(publishing, receiver.url, NEW) as vendor:
        await vendor.turn()
        begun = publishing.clock.now()
        waits = []
        while (await vendor.standing()).stopped_at is None:
            turn = await vendor.turn()
            if turn.wait_s is not None:
                waits.append(turn.wait_s)
                publishing.clock.advance(turn.wait_s)
        tried_s = (publishing.clock.now() - begun).total_seconds()
        calls = len(receiver.calls())
        receiver.behave("ok")
        await vendor.all()
        silent = len(receiver.calls()) == calls
        await vendor.standings.replay(vendor.subscription, None)
        publishing.clock.advance(60)  # the breaker lets one call try
        await vendor.all()

    assert 3 * DAY_S <= tried_s < 3 * DAY_S + 3_600
    assert waits[:3] == sorted(waits[:3])
    assert max(waits) <= 1_800
    assert silent
    assert receiver.calls()[-1]["word"] == "ok"
    assert len({call["id"] for call in receiver.calls()}) == 2


async def test_a_receiver_that_is_gone_is_left_alone(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=1))
    receiver.behave("410", "ok")
    async with publishing.vendor(), pushing(publishing, receiver.url, NEW) as vendor:
        await vendor.all()
        publishing.clock.advance(DAY_S)
        await vendor.all()
        standing = await vendor.standing()
    assert len(receiver.calls()) == 1
    assert (standing.reason, standing.stopped_at is not None) == ("status_410", True)


async def test_a_replay_tells_again_from_a_cursor_under_ids_of_its_own(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=1))
    async with publishing.vendor(), pushing(publishing, receiver.url, NEW) as vendor:
        await vendor.all()
        cursor = (await vendor.standing()).cursor
        for name in ("Bob", "Cy"):
            await publishing.publish(("user", user("u000", givenName=name)))
            await vendor.all()
        before = receiver.calls()
        await vendor.standings.replay(vendor.subscription, cursor)
        await vendor.all()
        again = receiver.calls()[len(before) :]
        for _ in range(2):
            await vendor.standings.replay(vendor.subscription, None)
            await vendor.all()

    (call,) = again
    assert [one["data"]["givenName"] for one in call["body"]["data"]["changes"]] == ["Cy"]
    ids = [call["id"] for call in receiver.calls()]
    assert len(ids) == len(set(ids)) == 6


async def test_a_replay_while_a_call_is_out_is_not_undone_by_its_end(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=1))
    async with publishing.vendor(), pushing(publishing, receiver.url, NEW) as vendor:
        standing = await vendor.standing()
        claimed = await vendor.standings.claim(vendor.subscription, standing)
        assert claimed is not None
        await vendor.standings.replay(vendor.subscription, None)
        late = claimed.taken(cursor="late", now=publishing.clock.now())
        assert not await vendor.standings.keep(vendor.subscription, late)
        assert (await vendor.standing()).cursor is None


async def test_two_processes_do_not_tell_the_same(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=1))
    async with (
        publishing.vendor(),
        pushing(publishing, receiver.url, NEW) as one,
        pushing(publishing, receiver.url, NEW, holder="two") as two,
    ):
        claimed = await one.standings.claim(one.subscription, await one.standing())
        await two.all()
        held = len(receiver.calls())
        assert claimed is not None
        await one.standings.keep(one.subscription, claimed)
        await two.all()
        await one.all()
    assert held == 0
    assert len(receiver.calls()) == 1


async def test_the_end_of_a_load_is_told_behind_all_of_it_once(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=120), origin="firstload")
    async with publishing.vendor(), pushing(publishing, receiver.url, NEW) as vendor:
        await vendor.all()
        during = types(receiver.calls())
        publishing.clock.advance(2)
        await vendor.all()
        await publishing.publish(("user", user("u000", givenName="Bob")))
        await vendor.all()
        await publishing.publish(("user", user("u000", givenName="Cy")), origin="snapshot")
        publishing.clock.advance(2)
        await vendor.all()
        await vendor.all()

    assert during == ["changes", "changes"]
    assert types(receiver.calls()) == [
        *during,
        "sync.completed",
        "changes",
        "changes",
        "sync.completed",
    ]
    ids = [call["id"] for call in receiver.calls()]
    assert len(ids) == len(set(ids))
    assert receiver.calls()[2]["body"]["data"] == {"revision": 1}


async def test_the_end_of_a_load_is_not_held_up_by_changes_that_go_on(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=1), origin="firstload")
    async with publishing.vendor(), pushing(publishing, receiver.url, NEW) as vendor:
        await vendor.turn()
        publishing.clock.advance(2)
        for name in ("Bob", "Cy"):
            await publishing.publish(("user", user("u000", givenName=name)))
            await vendor.turn()
    assert types(receiver.calls()) == ["changes", "changes", "sync.completed"]


async def test_only_what_is_wanted_is_told_and_the_rest_is_passed(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=300))
    await publishing.publish(("user", "u007"))
    wanted = frozenset({"classes.*", "users.deleted"})
    async with (
        publishing.vendor(),
        pushing(publishing, receiver.url, NEW, events=wanted) as vendor,
    ):
        await vendor.all()
    assert kinds(receiver.changes()) == [("classes.upserted", "k1"), ("users.deleted", "u007")]
    assert types(receiver.calls()) == ["changes", "changes"]


async def test_a_changed_grant_is_told_and_the_whole_view_follows(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*WORLD)
    wanted = frozenset({"users.*"})
    async with pushing(publishing, receiver.url, NEW, events=wanted) as vendor:
        async with publishing.vendor(schools=("s1",)):
            await vendor.all()
        before = len(receiver.changes())
        async with publishing.vendor(schools=("s2",)):
            await publishing.publish(("user", user("zoe", role("s2"))))
            await vendor.all()
    assert kinds(receiver.changes()[before:]) == [("grant.changed", ""), ("users.upserted", "zoe")]


async def test_who_was_away_for_longer_than_deletions_are_told_starts_anew(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=2))
    async with publishing.vendor(), pushing(publishing, receiver.url, NEW) as vendor:
        await vendor.all()
        before = len(receiver.changes())
        await publishing.publish(("user", "u000"))
        publishing.clock.advance(91 * DAY_S)
        await publishing.purge()
        await vendor.all()
    told = kinds(receiver.changes()[before:])
    assert told[0] == ("feed.restarted", "")
    assert [who for _, who in told[1:]] == ["s1", "t1", "c1", "k1", "u001"]


async def test_an_ended_agreement_ends_the_calls(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=1))
    ends = publishing.clock.now().replace(hour=9)
    async with (
        publishing.vendor(expires_at=ends),
        pushing(publishing, receiver.url, NEW) as vendor,
    ):
        await vendor.all()
        publishing.clock.advance((ends - publishing.clock.now()).total_seconds())
        await publishing.publish(("user", user("u000", givenName="Bob")))
        await vendor.all()
    assert len(receiver.calls()) == 1


async def test_a_receiver_inside_our_network_is_never_called(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=1), ("org", org("s2")))
    async with (
        publishing.vendor(),
        pushing(publishing, receiver.url, NEW, inside=False) as vendor,
    ):
        await vendor.all()
        standing = await vendor.standing()
    assert receiver.calls() == []
    assert (standing.reason, standing.failures) == ("address_private", 1)


async def test_a_client_that_is_not_there_is_told_nothing(
    publishing: Publishing, receiver: Receiver
) -> None:
    await publishing.publish(*school_world(users=1))
    async with pushing(publishing, receiver.url, NEW) as nobody:
        await nobody.all()
        assert await nobody.standing() == Standing()
        with pytest.raises(Retriable):
            await nobody.standings.replay(nobody.subscription, None)
    async with publishing.vendor(district="d2"), pushing(publishing, receiver.url, NEW) as other:
        await other.all()
    assert receiver.calls() == []


async def test_news_of_a_district_is_noticed_once(publishing: Publishing) -> None:
    watch = WatchDistricts(PostgresFeed(publishing.reads.lines), publishing.clock)
    asked = {"d1", "d2"}
    before = await watch(asked)
    await publishing.publish(*school_world(), district="d1")
    first = [await watch(asked), await watch(asked)]
    await publishing.publish(*school_world(), district="d2", origin="firstload")
    loading = [await watch(asked), await watch(asked)]
    publishing.clock.advance(2)
    ended = [await watch(asked), await watch(asked)]

    assert before == set()
    assert first == [{"d1"}, set()]
    assert loading == ended == [{"d2"}, set()]
