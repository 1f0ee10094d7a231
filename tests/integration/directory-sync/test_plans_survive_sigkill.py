"""SIGKILL between an approval and what it releases: it is done once, or was never given."""

import pytest

from tests.support.eventually import eventually

POINTS = (
    ("directory.decide.before_commit", "open"),
    ("directory.decide.after_commit", "approved"),
    ("directory.apply.after_call", "approved"),
    ("directory.record.before_commit", "approved"),
)


@pytest.mark.parametrize(("failpoint", "state"), POINTS)
async def test_killed_around_an_approval_it_disables_once(
    world, a_person, an_event, tmp_path, failpoint, state
):
    people = [f"p{n:02}" for n in range(26)]
    stayers = [f"s{n:02}" for n in range(80)]
    first = world.start()
    await world.tell(*(an_event(a_person(p), origin="firstload") for p in (*people, *stayers)))
    await eventually(lambda: _active(world, 106), within_s=60)
    await eventually(world.settled, within_s=60)
    await world.tell(*(an_event(a_person(p, enabled=False, revision=2)) for p in people))
    plan = await eventually(lambda: _plan(world, first))
    # The doomed one shall reach its point by the approval, not by what this one left undone.
    await eventually(world.settled)
    first.kill()
    marker = tmp_path / "was-hit"
    doomed = world.start(HOMEROOM_FAILPOINT=failpoint, HOMEROOM_FAILPOINT_FILE=str(marker))

    await world.try_post(
        doomed, f"/plans/{plan['planId']}/approve", {"itemsHash": plan["itemsHash"]}
    )
    code = doomed.wait_for_exit(within_s=60)
    second = world.start()

    assert (code, marker.exists()) == (-9, True)
    if state == "open":
        again = await _plan(world, second)
        assert (again["itemsHash"], again["approvals"]) == (plan["itemsHash"], [])
        assert await _active(world, 106)
        return
    await eventually(lambda: _active(world, 80), within_s=60)
    await eventually(world.settled, within_s=60)
    disabled = [
        body["personId"]
        for name, body in await world.events()
        if name == "k12.directory.account.disabled.v1"
    ]
    assert sorted(disabled) == people
    told = [name for name, _ in await world.events("safety")]
    assert told.count("k12.safety.breaker.approved.v1") == 2  # the first connection's, and this
    assert await world.query("SELECT * FROM directory_sync.spent") == []
    items = await world.query("SELECT DISTINCT state FROM directory_sync.plan_item")
    assert [row["state"] for row in items] == ["done"]


async def _active(world, wanted):
    return sum(user["active"] for user in await world.users()) == wanted


async def _plan(world, program):
    plans = (await world.page(program, "/plans")).json()["plans"]
    return plans[0] if plans else None
