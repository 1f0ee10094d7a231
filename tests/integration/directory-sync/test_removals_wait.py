"""Too many members leaving groups at once wait for a person; evidence is read from the directory."""

import pytest

from tests.support.eventually import eventually

C1, C2 = "k12:class:c1", "k12:class:c2"
REMOVED = "k12.directory.membership.removed.v1"
PUPILS = [f"p{n:02}" for n in range(60)]
LEAVERS = PUPILS[:51]
PLANS = "/plans?district=north"
POINTS = (
    ("directory.decide.before_commit", "open"),
    ("directory.decide.after_commit", "approved"),
    ("directory.groups.before_call", "approved"),
    ("directory.groups.after_call", "approved"),
)


@pytest.fixture
async def school(grouped, a_person, an_event, a_class, a_seat):
    """A running service, and a class of sixty."""
    program = grouped.start()
    await grouped.tell(
        a_class("c1", origin="firstload"),
        *(an_event(a_person(p, classes=a_seat("c1")), origin="firstload") for p in PUPILS),
    )
    await eventually(grouped.settled, within_s=60)
    return program


@pytest.fixture
def leave(grouped, a_person, an_event):
    """Tell, in one commit, that these people are in no class any more."""

    async def tell(people, *, revision=2):
        events = (
            an_event(a_person(p, revision=revision), correlation_id=f"why-{p}") for p in people
        )
        await grouped.tell(*events)

    return tell


async def test_removals_that_wait_are_a_plan_and_go_once_two_people_approve(
    grouped, school, leave, a_person, an_event, a_seat
):
    await leave(LEAVERS)
    plan = await eventually(lambda: _open_plan(grouped, school))
    await eventually(grouped.settled)
    assert (plan["kind"], plan["guard"]) == ("guard", "memberships.remove")
    assert {action: n for action, n in plan["counts"].items() if n} == {"remove_member": 51}
    assert (plan["count"], plan["population"], plan["percent"]) == (51, 60, 85.0)
    assert (plan["limit"], plan["limitPercent"], plan["approvalsNeeded"]) == (50, 20.0, 2)
    assert plan["sample"][0] == {
        "personId": "p00",
        "action": f"remove_member:{C1}",
        "reason": "class",
    }
    await grouped.tell(an_event(a_person("p00", classes=a_seat("c1"), revision=3)))
    await eventually(grouped.settled)

    first = await _approve(grouped, school, plan, subject="ann")
    again = await _approve(grouped, school, plan, subject="ann")
    second = await _approve(grouped, school, plan, subject="bob")

    assert (first.json()["state"], second.json()["state"]) == ("open", "approved")
    assert (again.status_code, again.json()["code"]) == (409, "same_approver")
    await eventually(grouped.settled)
    assert await grouped.members() == {C1: {"p00", *PUPILS[51:]}}
    shown = (await grouped.page(school, f"/plans/{plan['planId']}?limit=1")).json()
    assert [(i["personId"], i["state"]) for i in shown["items"]] == [("p01", "done")]
    assert await grouped.query("SELECT * FROM directory_sync.removal") == []
    told = [
        (name.split(".")[3], body["count"])
        for name, body in await grouped.events("safety")
        if body["guard"] == "memberships.remove"
    ]
    assert told == [("tripped", 51), ("approved", 50)]
    steps = (await grouped.page(school, f"/trace/{plan['correlationId']}")).json()["steps"]
    assert {"plan.held", "plan.approved", "membership.removed"} <= {s["what"] for s in steps}


async def test_while_removals_wait_a_drip_joins_them_and_voids_approvals(grouped, school, leave):
    await leave(LEAVERS)
    seen = await eventually(lambda: _open_plan(grouped, school))
    await _approve(grouped, school, seen, subject="ann")

    await leave(["p51"])
    grown = await eventually(lambda: _open_plan(grouped, school, count=52))
    late = await _approve(grouped, school, seen, subject="bob")

    assert (grown["planId"], grown["approvals"]) == (seen["planId"], [])
    assert (late.status_code, late.json()["code"]) == (409, "hash_differs")
    assert await grouped.members() == {C1: set(PUPILS)}


async def test_rejected_removals_stay_and_are_asked_anew_only_when_wished_anew(
    grouped, school, leave, a_person, an_event, a_seat
):
    await leave(LEAVERS)
    plan = await eventually(lambda: _open_plan(grouped, school))

    rejected = await grouped.post(school, f"/plans/{plan['planId']}/reject", {})
    await leave(LEAVERS, revision=3)
    await eventually(grouped.settled)

    assert rejected.json()["state"] == "rejected"
    assert await grouped.members() == {C1: set(PUPILS)}
    assert (await grouped.page(school, PLANS)).json()["total"] == 0
    (group,) = (await grouped.page(school, "/groups")).json()["groups"]
    assert (group["state"], group["held"]) == ("settled", 0)
    await grouped.tell(an_event(a_person("p00", classes=a_seat("c1"), revision=4)))
    await eventually(grouped.settled)
    await leave(["p00"], revision=5)
    await eventually(grouped.settled)
    assert await grouped.members() == {C1: set(PUPILS) - {"p00"}}


async def test_removals_that_nobody_decides_expire_and_never_pass_by_themselves(
    grouped, school, leave
):
    await leave(LEAVERS)
    plan = await eventually(lambda: _open_plan(grouped, school))
    school.kill()
    await grouped.query(
        "UPDATE directory_sync.plan SET expires_at = now() - interval '1 second' WHERE kind <>"
        " 'first_connection'"
    )
    program = grouped.start()
    await eventually(lambda: _plan_in(grouped, program, "expired"))

    await leave(["p51"])

    asked = await eventually(lambda: _open_plan(grouped, program, count=52))
    assert asked["planId"] != plan["planId"]
    assert await grouped.members() == {C1: set(PUPILS)}


@pytest.mark.parametrize(("failpoint", "state"), POINTS)
async def test_killed_around_an_approval_it_removes_once(
    grouped, school, leave, a_person, an_event, a_seat, a_class, tmp_path, failpoint, state
):
    others = [f"o{n:03}" for n in range(150)]
    await grouped.tell(
        a_class("c2", origin="firstload"),
        *(an_event(a_person(o, classes=a_seat("c2")), origin="firstload") for o in others),
    )
    await eventually(grouped.settled, within_s=60)
    await leave(LEAVERS)
    plan = await eventually(lambda: _open_plan(grouped, school))
    await eventually(grouped.settled)
    school.kill()
    marker = tmp_path / "was-hit"
    doomed = grouped.start(HOMEROOM_FAILPOINT=failpoint, HOMEROOM_FAILPOINT_FILE=str(marker))

    await grouped.try_post(
        doomed, f"/plans/{plan['planId']}/approve", {"itemsHash": plan["itemsHash"]}
    )
    code = doomed.wait_for_exit(within_s=60)
    program = grouped.start()

    assert (code, marker.exists()) == (-9, True)
    if state == "open":
        again = await _open_plan(grouped, program)
        assert (again["itemsHash"], again["approvals"]) == (plan["itemsHash"], [])
        assert (await grouped.members())[C1] == set(PUPILS)
        return
    await eventually(grouped.settled, within_s=60)
    assert await grouped.members() == {C1: set(PUPILS[51:]), C2: set(others)}
    removed = [body["personId"] for name, body in await grouped.events() if name == REMOVED]
    assert sorted(removed) == LEAVERS
    assert await grouped.query("SELECT * FROM directory_sync.removal") == []
    items = await grouped.query("SELECT DISTINCT state FROM directory_sync.plan_item")
    assert [row["state"] for row in items] == ["done"]


async def _open_plan(world, program, *, count=None):
    plan = await _plan_in(world, program, "open")
    return plan if plan and count in (None, plan["count"]) else None


async def _plan_in(world, program, state):
    plans = (await world.page(program, f"{PLANS}&state={state}")).json()["plans"]
    return plans[0] if plans else None


async def _approve(world, program, plan, *, subject):
    body = {"itemsHash": plan["itemsHash"]}
    return await world.post(program, f"/plans/{plan['planId']}/approve", body, subject=subject)
