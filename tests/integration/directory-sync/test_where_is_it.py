"""What a delivery did to accounts, and where each account stands, by correlation id and person."""

import json

from tests.support.eventually import eventually

LATER = {"district": "north", "kind": "scim", "token": "none", "roles": ["student"]}


async def test_a_delivery_is_followed_to_the_account_and_its_end(world, a_person, an_event):
    program = world.start()
    await world.tell(an_event(a_person("p1"), correlation_id="why-new"))
    user = await eventually(lambda: world.user("p1"))
    await eventually(world.settled)
    await world.tell(an_event(a_person("p1", enabled=False, revision=2), correlation_id="why-off"))
    await eventually(lambda: _off(world, "p1"))
    await eventually(world.settled)

    made = (await world.page(program, "/trace/why-new")).json()
    ended = (await world.page(program, "/trace/why-off")).json()
    copies = (await world.page(program, "/trace/people/p1")).json()

    assert made["service"] == "directory-sync"
    assert [step["what"] for step in made["steps"]] == ["account.created", "account.named"]
    ids = {"target": "north-directory", "person": "p1", "account": user["id"]}
    assert made["steps"][0]["ids"] == ids
    assert [(s["what"], s["ids"]) for s in ended["steps"]] == [("account.disabled", ids)]
    (copy,) = copies["copies"]
    assert (copy["kind"], copy["where"], copy["id"]) == ("account", "north-directory", user["id"])
    assert (copy["state"], copy["correlationId"]) == ("disabled", "why-off")
    assert "ovelace" not in json.dumps([made, ended, copies])


async def test_what_a_delivery_did_to_many_is_one_line_with_a_count(world, a_person, an_event):
    program = world.start()
    people = [f"p{n:02}" for n in range(40)]
    told = (an_event(a_person(p), correlation_id="why-load", origin="firstload") for p in people)
    await world.tell(*told)
    await eventually(lambda: _count(world, 40), within_s=60)
    await eventually(world.settled, within_s=60)
    left = (an_event(a_person(p, enabled=False, revision=2), correlation_id="why") for p in people)
    await world.tell(*left)
    plan = await eventually(lambda: _plan(world, program))

    steps = (await world.page(program, "/trace/why-load")).json()["steps"]
    held = (await world.page(program, "/trace/why")).json()["steps"]
    copies = (await world.page(program, "/trace/people/p00")).json()["copies"]
    elsewhere = (await world.page(program, "/trace/why-load", districts=["south"])).json()

    created = [step["count"] or 1 for step in steps if step["what"] == "account.created"]
    assert sum(created) == 40
    assert len(created) < 40
    assert [(s["what"], s["count"], s["detail"]) for s in held] == [("plan.held", 40, "guard")]
    assert held[0]["ids"] == {"target": "north-directory", "plan": plan["planId"]}
    assert copies[0]["state"] == "enabled"
    assert copies[0]["detail"] == f"plan_waiting:{plan['planId']}"
    assert elsewhere["steps"] == []


async def test_a_target_that_is_away_delays_no_other_and_each_is_shown(world, a_person, an_event):
    away = LATER | {"id": "away", "url": "http://127.0.0.1:9/v2"}
    targets = [*json.loads(world.targets()), away]
    program = world.start(HOMEROOM_TARGETS=json.dumps(targets))

    await world.tell(an_event(a_person("p1")))

    assert await eventually(lambda: world.user("p1"))
    shown = await eventually(lambda: _live(world, program))
    assert shown == {
        "north-directory": {"state": "live", "openPlans": 0},
        "away": {"state": "unread", "openPlans": 0},
    }


async def _live(world, program):
    """What readiness says of targets, once the first is live; it may be half a second old."""
    ready = await world.http.get(f"{program.url}/readyz")
    assert ready.status_code == 200
    targets = ready.json()["checks"]["targets"]["targets"]
    return targets if targets["north-directory"]["state"] == "live" else None


async def _off(world, person_id):
    return (await world.user(person_id))["active"] is False


async def _count(world, wanted):
    return len(await world.users()) == wanted


async def _plan(world, program):
    plans = (await world.page(program, "/plans")).json()["plans"]
    return plans[0] if plans else None
