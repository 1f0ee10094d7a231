"""Members of groups that stood there before us are removed once a person has seen who."""

from tests.support.eventually import eventually

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
C1 = "k12:class:c1"


async def test_a_first_connection_removes_nobody_from_a_group_before_that_is_approved(
    grouped, a_person, an_event, a_class, a_seat
):
    grouped.first_connection = "preview"
    old = {"schemas": [USER], "userName": "old", "externalId": "p9", "active": True}
    account = (await grouped.scim_request("POST", "/Users", json=old)).json()
    group = {"schemas": [GROUP], "displayName": "Algebra", "externalId": C1}
    members = {"members": [{"value": account["id"]}]}
    await grouped.scim_request("POST", "/Groups", json=group | members)
    await grouped.tell(
        a_class("c1"),
        an_event(a_person("p1", classes=a_seat("c1"))),
        an_event(a_person("p9", classes=a_seat("c2"))),
    )
    program = grouped.start()
    first = await eventually(lambda: _plan(grouped, program, "first_connection", 2))

    await _approve(grouped, program, first, "ann")

    waiting = await eventually(
        lambda: _plan(grouped, program, "memberships.remove", 1), within_s=30
    )
    await eventually(grouped.settled, within_s=30)
    assert await grouped.members() == {C1: {"p9", "p1"}}
    assert [(i["personId"], i["action"]) for i in waiting["sample"]] == [
        ("p9", f"remove_member:{C1}")
    ]
    for subject in ("ann", "bob"):
        await _approve(grouped, program, waiting, subject)
    await eventually(lambda: _members(grouped, {"p1"}), within_s=30)
    await eventually(grouped.settled)
    # From now on it is a group as any other.
    await grouped.tell(an_event(a_person("p1", revision=2)))
    assert await eventually(lambda: _members(grouped, set()))


async def _members(world, wanted):
    return await world.members() == {C1: wanted}


async def _plan(world, program, guard, count):
    plans = (await world.page(program, "/plans?district=north")).json()["plans"]
    return next((p for p in plans if (p["guard"], p["count"]) == (guard, count)), None)


async def _approve(world, program, plan, subject):
    body = {"itemsHash": plan["itemsHash"]}
    return await world.post(program, f"/plans/{plan['planId']}/approve", body, subject=subject)
