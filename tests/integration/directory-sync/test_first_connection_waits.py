"""A first connection in preview changes nothing in the directory before a person approves."""

import pytest

from tests.support.eventually import eventually

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PLANS = "/plans?district=north"
RECONCILE = "/reconcile?district=north&target=north-directory"


@pytest.fixture
async def preview(world, a_person, an_event):
    """A world that previews; a leaver and one of us with accounts, and one new."""
    world.first_connection = "preview"
    for name in ("left", "known", "stranger1", "stranger2", "stranger3"):
        user = {"schemas": [USER], "userName": name, "active": True}
        if not name.startswith("stranger"):
            user["externalId"] = name
        await world.scim_request("POST", "/Users", json=user)
    await world.tell(
        an_event(a_person("left", status="tobedeleted")),
        an_event(a_person("known")),
        an_event(a_person("new", given_name="New")),
    )
    return world


async def test_a_preview_applies_nothing_until_it_is_approved(preview, a_person, an_event):
    before = await preview.users()
    program = preview.start()

    plan = await eventually(lambda: _plan(preview, program, count=3))
    dry = await preview.page(program, "/plans/preview?district=north&target=north-directory")
    items = (await preview.page(program, f"/plans/{plan['planId']}")).json()["items"]
    untouched = await preview.users()
    approved = await _approve(preview, program, plan)

    assert (plan["kind"], plan["limit"], plan["approvalsNeeded"]) == ("first_connection", None, 1)
    assert plan["counts"] == {"create": 1, "update": 1, "disable": 1, "enable": 0, "link": 0}
    assert dry.json()["counts"] == plan["counts"]
    assert [(i["personId"], i["action"]) for i in items] == [
        ("known", "update"),
        ("left", "disable"),
        ("new", "create"),
    ]
    assert items[0]["attributes"] == [
        "displayName",
        'emails[type eq "work"].value',
        "name.familyName",
        "name.givenName",
        "userType",
    ]
    assert untouched == before
    assert approved.json()["state"] == "approved"
    assert await eventually(lambda: preview.user("new"))
    await eventually(preview.settled)
    assert (await preview.user("left"))["active"] is False
    assert (await preview.user("known"))["name"]["givenName"] == "Ada"
    spent = await preview.query("SELECT * FROM directory_sync.spent")
    assert spent == []
    # From now on it is live.
    await preview.tell(an_event(a_person("later", given_name="Later")))
    assert await eventually(lambda: preview.user("later"))


async def test_a_waiting_preview_follows_the_roster(preview, a_person, an_event):
    program = preview.start()
    seen = await eventually(lambda: _plan(preview, program, count=3))

    await preview.tell(an_event(a_person("later", given_name="Later")))

    grown = await eventually(lambda: _plan(preview, program, count=4))
    late = await _approve(preview, program, seen)
    assert grown["planId"] == seen["planId"]
    assert (late.status_code, late.json()["code"]) == (409, "hash_differs")
    assert await preview.user("later") is None


async def test_a_rejected_preview_stays_away_from_the_directory(preview, a_person, an_event):
    before = await preview.users()
    program = preview.start()
    plan = await eventually(lambda: _plan(preview, program, count=3))

    await preview.post(program, f"/plans/{plan['planId']}/reject")
    await preview.tell(an_event(a_person("later", given_name="Later")))

    await eventually(preview.told_is_read)
    assert await preview.users() == before
    assert (await preview.page(program, PLANS)).json()["total"] == 0
    # Asking for a reading plans anew.
    asked = await preview.post(program, RECONCILE, role="operator")
    assert asked.status_code == 202
    again = await eventually(lambda: _plan(preview, program, count=4))
    assert again["planId"] != plan["planId"]


async def test_a_plan_cannot_be_approved_while_the_directory_is_read_again(preview):
    program = preview.start()
    plan = await eventually(lambda: _plan(preview, program, count=3))

    asked = await preview.post(program, RECONCILE, role="operator")
    late = await _approve(preview, program, plan)

    assert (asked.status_code, late.status_code, late.json()["code"]) == (202, 409, "ended")
    again = await eventually(lambda: _plan(preview, program, count=3))
    assert again["planId"] != plan["planId"]
    await _approve(preview, program, again)
    assert await eventually(lambda: preview.user("new"))


async def test_a_new_reading_forgets_what_is_gone_from_the_directory(preview, a_person, an_event):
    await preview.tell(an_event(a_person("named", username="stranger1")))
    program = preview.start()
    plan = await eventually(lambda: _plan(preview, program, count=4))
    for user in await preview.users():
        if user["userName"] in {"stranger1", "left"}:
            await preview.scim_request("DELETE", f"/Users/{user['id']}")

    await preview.post(program, RECONCILE, role="operator")

    again = await eventually(lambda: _plan(preview, program, count=3))
    assert (plan["counts"]["link"] + plan["counts"]["update"], plan["counts"]["create"]) == (2, 1)
    assert (again["counts"]["update"], again["counts"]["create"]) == (1, 2)
    await _approve(preview, program, again)
    assert (await eventually(lambda: preview.user("named")))["userName"] == "stranger1"


async def test_a_waiting_preview_counts_what_is_still_wanted(preview, a_person, an_event):
    program = preview.start()
    plan = await eventually(lambda: _plan(preview, program, count=3))

    await preview.tell(an_event(a_person("new", status="tobedeleted", revision=2)))

    fewer = await eventually(lambda: _plan(preview, program, count=2))
    assert fewer["counts"]["create"] == 0
    assert fewer["itemsHash"] == plan["itemsHash"]


async def test_a_setting_that_says_apply_ends_a_waiting_preview(preview):
    program = preview.start()
    plan = await eventually(lambda: _plan(preview, program, count=3))
    program.kill()
    preview.first_connection = "apply"

    program = preview.start()

    assert await eventually(lambda: preview.user("new"))
    await eventually(preview.settled)
    shown = (await preview.page(program, f"/plans/{plan['planId']}")).json()
    assert (shown["state"], shown["approvals"]) == ("approved", [])
    assert {item["state"] for item in shown["items"]} == {"done"}


async def test_a_preview_of_a_target_that_was_never_read_is_not_known(world):
    world.first_connection = "preview"
    world.scim.stop()
    program = world.start()

    answer = await world.page(program, "/plans/preview?district=north&target=north-directory")

    assert (answer.status_code, answer.json()["code"]) == (404, "target_not_read")


async def _plan(world, program, *, count):
    plans = (await world.page(program, PLANS)).json()["plans"]
    return plans[0] if plans and plans[0]["count"] == count else None


async def _approve(world, program, plan):
    return await world.post(
        program, f"/plans/{plan['planId']}/approve", {"itemsHash": plan["itemsHash"]}
    )
