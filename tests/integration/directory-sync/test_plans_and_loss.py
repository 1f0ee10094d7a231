"""Whatever is lost on the way, one reading of the whole directory ends in the same state."""

import random

import pytest

from tests.support.eventually import eventually

RECONCILE = "/reconcile?district=north&target=north-directory"
NAMES = ("Ada", "Ben", "Cy")


@pytest.mark.parametrize("seed", range(2))
async def test_lost_marks_and_foreign_changes_end_as_if_nothing_had_happened(
    world, a_person, an_event, seed
):
    chance = random.Random(seed)
    program = world.start()
    people = [f"p{n:02}" for n in range(20)]
    await world.tell(*(an_event(a_person(p)) for p in people))
    await eventually(lambda: _settled_with(world, 20), within_s=60)
    program.kill()
    wanted = {p: (chance.choice(NAMES), chance.random() < 0.7) for p in people}
    await world.tell(
        *(
            an_event(a_person(p, given_name=name, enabled=stays, revision=2))
            for p, (name, stays) in wanted.items()
        )
    )
    for user in chance.sample(await world.users(), 5):
        if chance.random() < 0.5:
            await world.scim_request("DELETE", f"/Users/{user['id']}")
        else:
            await _patch(world, user, "displayName", "Mallory")
    deaf = world.start(HOMEROOM_TARGETS=world.targets(url="http://127.0.0.1:9/v2"))
    await eventually(world.told_is_read)
    deaf.kill()
    lost = chance.sample(people, 10)
    await world.query("DELETE FROM directory_sync.dirty WHERE person_id = ANY($1)", lost)
    program = world.start()

    await world.post(program, RECONCILE, role="operator")

    await eventually(lambda: _read(world, program))
    await eventually(world.settled, within_s=60)
    expected = {
        p: (f"{name} Lovelace", True) if stays else None for p, (name, stays) in wanted.items()
    }
    assert await _on(world) == {p: shown for p, shown in expected.items() if shown}
    # Nothing is left to do, by anybody's reckoning.
    preview = await world.page(program, "/plans/preview?district=north&target=north-directory")
    assert preview.json()["count"] == 0


async def _on(world):
    """(displayName, active) of every account that is on."""
    return {
        user["externalId"]: (user["displayName"], True)
        for user in await world.users()
        if user["active"]
    }


async def _patch(world, user, path, value):
    operation = {"op": "replace", "path": path, "value": value}
    schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
    body = {"schemas": [schema], "Operations": [operation]}
    await world.scim_request("PATCH", f"/Users/{user['id']}", json=body)


async def _settled_with(world, accounts):
    return len(await world.users()) == accounts and await world.settled()


async def _read(world, program):
    target = (await world.page(program, "/status")).json()["targets"][0]
    return target["lastReadOutcome"] == "believed"
