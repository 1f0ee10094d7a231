"""Too many disables at once wait for a person; the evidence is read from the directory itself."""

import pytest

from tests.support.eventually import eventually

PLANS = "/plans?district=north"


@pytest.fixture
async def school(world, a_person, an_event):
    """A running service, and thirty people with an account each."""
    program = world.start()
    people = [f"p{n:02}" for n in range(30)]
    await world.tell(*(an_event(a_person(p, given_name=f"G{p}")) for p in people))
    await eventually(lambda: _enabled(world, 30), within_s=60)
    await eventually(world.settled)
    return program, people


async def leave(world, a_person, an_event, people, **fields):
    """Tell, in one commit, that these people left."""
    values = {"status": "tobedeleted", "revision": 2} | fields
    events = (
        an_event(a_person(p, given_name=f"G{p}", **values), correlation_id=f"why-{p}")
        for p in people
    )
    await world.tell(*events)


async def test_a_few_leavers_are_disabled_without_asking(world, school, a_person, an_event):
    program, people = school

    await leave(world, a_person, an_event, people[:25])

    await eventually(lambda: _enabled(world, 5))
    assert (await world.page(program, PLANS)).json() == {"total": 0, "plans": []}


async def test_too_many_leavers_at_once_wait_and_others_go_on(world, school, a_person, an_event):
    program, people = school

    await leave(world, a_person, an_event, people[:26])
    plan = await eventually(lambda: _open_plan(world, program))
    await world.tell(
        an_event(a_person("new", given_name="New")),
        an_event(a_person(people[29], given_name="Renamed", revision=2)),
    )

    await eventually(lambda: world.user("new"))
    await eventually(lambda: _given(world, people[29], "Renamed"))
    await eventually(world.settled)
    assert await _enabled(world, 31)
    assert plan["counts"] == {"create": 0, "update": 0, "disable": 26, "enable": 0, "link": 0}
    assert (plan["count"], plan["population"], plan["percent"]) == (26, 30, 86.67)
    assert (plan["limit"], plan["limitPercent"], plan["approvalsNeeded"]) == (25, 5.0, 2)
    assert plan["sample"][0] == {
        "personId": "p00",
        "action": "disable",
        "reason": "not_on_roster",
    }
    (account,) = (await world.page(program, "/accounts/p00")).json()["accounts"]
    assert account["state"] == "enabled"
    assert account["heldBy"] == {"planId": plan["planId"], "state": "waiting"}


async def test_a_mass_that_comes_in_small_batches_is_judged_as_a_whole(
    world, school, a_person, an_event
):
    program, people = school
    program.kill()
    await leave(world, a_person, an_event, people[:26])

    program = world.start(HOMEROOM_TARGET_BATCH="5")

    plan = await eventually(lambda: _open_plan(world, program))
    await eventually(world.settled)
    assert plan["count"] == 26
    assert await _enabled(world, 30)


async def test_what_was_spent_today_counts(world, school, a_person, an_event):
    program, people = school
    await leave(world, a_person, an_event, people[:25])
    await eventually(lambda: _enabled(world, 5))

    await leave(world, a_person, an_event, people[25:26])

    plan = await eventually(lambda: _open_plan(world, program))
    assert (plan["count"], plan["population"]) == (1, 30)
    assert await _enabled(world, 5)


async def test_while_a_plan_waits_a_drip_does_not_pass_beside_it(world, school, a_person, an_event):
    program, people = school
    await leave(world, a_person, an_event, people[:26])
    first = await eventually(lambda: _open_plan(world, program))

    await leave(world, a_person, an_event, people[26:27])

    grown = await eventually(lambda: _open_plan(world, program, count=27))
    assert grown["planId"] == first["planId"]
    assert grown["itemsHash"] != first["itemsHash"]
    assert await _enabled(world, 30)


async def test_a_drip_voids_approvals_for_ten_minutes_and_then_is_a_plan_of_its_own(
    world, school, a_person, an_event
):
    program, people = school
    await leave(world, a_person, an_event, people[:26])
    first = await eventually(lambda: _open_plan(world, program))
    await world.query(
        "UPDATE directory_sync.plan SET created_at = now() - interval '11 minutes'"
        " WHERE kind = 'guard'"
    )

    await leave(world, a_person, an_event, people[26:27])

    other = await eventually(lambda: _open_plan(world, program, count=1))
    assert other["planId"] != first["planId"]
    old = (await world.page(program, f"/plans/{first['planId']}")).json()
    assert (old["itemsHash"], old["state"]) == (first["itemsHash"], "open")


async def test_a_plan_counts_what_is_still_wanted(world, school, a_person, an_event):
    program, people = school
    await leave(world, a_person, an_event, people[:26])
    plan = await eventually(lambda: _open_plan(world, program))

    await world.tell(an_event(a_person("p00", given_name="Gp00", revision=3)))

    fewer = await eventually(lambda: _open_plan(world, program, count=25))
    assert fewer["counts"] == {"create": 0, "update": 0, "disable": 25, "enable": 0, "link": 0}
    assert fewer["itemsHash"] == plan["itemsHash"]


async def test_an_approved_plan_disables_exactly_those_still_wanted(
    world, school, a_person, an_event
):
    program, people = school
    await leave(world, a_person, an_event, people[:26])
    plan = await eventually(lambda: _open_plan(world, program))
    await world.tell(an_event(a_person("p00", given_name="Gp00", revision=3)))
    await eventually(world.settled)

    first = await _approve(world, program, plan, subject="ann")
    again = await _approve(world, program, plan, subject="ann")
    second = await _approve(world, program, plan, subject="bob")

    assert (first.json()["state"], second.json()["state"]) == ("open", "approved")
    assert (again.status_code, again.json()["code"]) == (409, "same_approver")
    await eventually(lambda: _enabled(world, 5), within_s=30)
    assert (await world.user("p00"))["active"] is True
    shown = (await world.page(program, f"/plans/{plan['planId']}?limit=1")).json()
    await eventually(world.settled)
    shown = (await world.page(program, f"/plans/{plan['planId']}?limit=1")).json()
    assert shown["items"] == [
        {
            "personId": "p01",
            "action": "disable",
            "reason": "not_on_roster",
            "attributes": [],
            "state": "done",
        }
    ]
    assert shown["approvals"] == ["ann", "bob"]
    told = [name for name, _ in await world.events("safety")]
    assert told[-2:] == ["k12.safety.breaker.tripped.v1", "k12.safety.breaker.approved.v1"]
    # Approved disables spend nothing: a single one passes by itself afterwards.
    await leave(world, a_person, an_event, ["p00"], revision=4)
    await eventually(lambda: _enabled(world, 4))


async def test_growth_voids_the_hash_and_earlier_approvals(world, school, a_person, an_event):
    program, people = school
    await leave(world, a_person, an_event, people[:26])
    seen = await eventually(lambda: _open_plan(world, program))
    await _approve(world, program, seen, subject="ann")
    await leave(world, a_person, an_event, people[26:27])
    grown = await eventually(lambda: _open_plan(world, program, count=27))

    late = await _approve(world, program, seen, subject="bob")

    assert (late.status_code, late.json()["code"]) == (409, "hash_differs")
    assert grown["approvals"] == []
    assert await _enabled(world, 30)


async def test_a_rejected_plan_keeps_accounts_enabled_and_asks_no_more(
    world, school, a_person, an_event
):
    program, people = school
    await leave(world, a_person, an_event, people[:26])
    plan = await eventually(lambda: _open_plan(world, program))

    rejected = await world.post(
        program, f"/plans/{plan['planId']}/reject", {"reason": "wrong_export"}
    )
    await leave(world, a_person, an_event, people[:26], revision=3, family_name="Byron")
    await eventually(world.settled)

    assert (rejected.json()["state"], rejected.json()["reason"]) == ("rejected", "wrong_export")
    assert await _enabled(world, 30)
    assert (await world.page(program, PLANS)).json()["total"] == 0
    late = await _approve(world, program, plan, subject="ann")
    assert (late.status_code, late.json()["code"]) == (409, "ended")
    # Who comes back and leaves again is asked about anew.
    await world.tell(an_event(a_person("p00", given_name="Gp00", revision=4)))
    await eventually(world.settled)
    await leave(world, a_person, an_event, ["p00"], revision=5)
    await eventually(lambda: _enabled(world, 29))


async def test_a_plan_that_nobody_decides_expires_and_is_asked_again_when_looked_at(
    world, school, a_person, an_event
):
    program, people = school
    await leave(world, a_person, an_event, people[:26])
    plan = await eventually(lambda: _open_plan(world, program))
    program.kill()
    await world.query("UPDATE directory_sync.plan SET expires_at = now() - interval '1 second'")
    program = world.start()
    expired = await eventually(lambda: _plan_in(world, program, "expired"))

    await leave(world, a_person, an_event, people[:1], revision=3, family_name="Byron")

    asked = await eventually(lambda: _open_plan(world, program))
    assert expired["planId"] == plan["planId"] != asked["planId"]
    assert asked["count"] == 1
    assert await _enabled(world, 30)
    told = [name for name, _ in await world.events("safety")]
    assert told[-2:] == ["k12.safety.breaker.expired.v1", "k12.safety.breaker.tripped.v1"]


async def test_a_plan_that_lost_all_it_held_ends_by_itself(world, school, a_person, an_event):
    program, people = school
    await leave(world, a_person, an_event, people[:26])
    plan = await eventually(lambda: _open_plan(world, program))
    await world.tell(*(an_event(a_person(p, given_name=f"G{p}", revision=3)) for p in people[:26]))
    await eventually(world.settled)
    program.kill()

    # Plans are looked over at the start of a process, and once a minute.
    program = world.start()
    ended = await eventually(lambda: _plan_in(world, program, "expired"))

    assert (ended["planId"], ended["reason"]) == (plan["planId"], "nothing_held")
    assert set(ended["counts"].values()) == {0}
    assert await _enabled(world, 30)


async def test_plans_are_for_approvers_of_the_district(world, school, a_person, an_event):
    program, people = school
    await leave(world, a_person, an_event, people[:26])
    plan = await eventually(lambda: _open_plan(world, program))
    door = f"/plans/{plan['planId']}"
    body = {"itemsHash": plan["itemsHash"]}

    viewer = await world.post(program, f"{door}/approve", body, role="operator")
    elsewhere = await world.post(program, f"{door}/approve", body, districts=["south"])
    bad = await world.post(program, f"{door}/approve", {"itemsHash": "no"})

    assert (viewer.status_code, elsewhere.status_code, bad.status_code) == (403, 404, 422)
    assert (await world.page(program, door, districts=["south"])).status_code == 404
    hidden = (await world.page(program, "/plans", districts=["south"])).json()
    assert hidden == {"total": 0, "plans": []}
    assert await _enabled(world, 30)


async def _enabled(world, wanted):
    return sum(user["active"] for user in await world.users()) == wanted


async def _given(world, person_id, name):
    return (await world.user(person_id))["name"]["givenName"] == name


async def _open_plan(world, program, *, count=None):
    plan = await _plan_in(world, program, "open")
    return plan if plan and count in (None, plan["count"]) else None


async def _plan_in(world, program, state):
    plans = (await world.page(program, f"{PLANS}&state={state}")).json()["plans"]
    return plans[0] if plans else None


async def _approve(world, program, plan, *, subject):
    body = {"itemsHash": plan["itemsHash"]}
    return await world.post(program, f"/plans/{plan['planId']}/approve", body, subject=subject)
