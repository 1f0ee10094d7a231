"""Reading the whole directory finds what others changed and what was lost, and believes no gaps."""

import pytest

from tests.support.eventually import eventually

TARGET = "/reconcile?district=north&target=north-directory"


@pytest.fixture
async def school(world, a_person, an_event):
    """A running service, and thirty people with an account each."""
    program = world.start()
    events = (an_event(a_person(f"p{n:02}", given_name=f"G{n}")) for n in range(30))
    await world.tell(*events)
    await eventually(lambda: _settled_with(world, 30), within_s=60)
    return program


async def test_what_others_changed_is_told_as_drift_and_put_right(world, school):
    renamed, disabled, gone = [await world.user(p) for p in ("p00", "p01", "p02")]
    await _patch(world, renamed, "displayName", "Mallory")
    await _patch(world, disabled, "active", False)
    await world.scim_request("DELETE", f"/Users/{gone['id']}")

    asked = await world.post(school, TARGET, role="operator")

    assert (asked.status_code, asked.json()) == (
        202,
        {"district": "north", "target": "north-directory"},
    )
    read = await eventually(lambda: _read(world, school))
    assert read["lastReadOutcome"] == "believed"
    await eventually(lambda: _settled_with(world, 30))
    assert (await world.user("p00"))["displayName"] == "G0 Lovelace"
    assert (await world.user("p01"))["active"] is True
    assert (await world.user("p02"))["userName"] == gone["userName"]
    drift = [b for n, b in await world.events() if n == "k12.directory.drift.detected.v1"]
    assert [(one["personId"], one["field"]) for one in drift] == [
        ("p00", "displayName"),
        ("p01", "active"),
        ("p02", "account"),
    ]
    assert all(len(one["expectedHash"]) == 64 for one in drift)
    assert "Mallory" not in str(drift)


async def test_a_mark_that_was_lost_is_made_up_for_by_one_reading(
    world, school, a_person, an_event
):
    school.kill()
    await world.tell(an_event(a_person("p00", given_name="Renamed", revision=2)))
    # Taken in and then forgotten: what a bug or a restored backup would leave behind.
    reader = world.start(HOMEROOM_TARGETS=world.targets(url="http://127.0.0.1:9/v2"))
    await eventually(world.told_is_read)
    reader.kill()
    await world.query("DELETE FROM directory_sync.dirty")
    program = world.start()

    await world.post(program, TARGET, role="operator")

    await eventually(lambda: _given(world, "p00", "Renamed"))


async def test_the_mark_of_a_group_that_was_lost_is_made_up_for_by_one_reading(
    grouped, a_person, an_event, a_class, a_seat
):
    program = grouped.start()
    await grouped.tell(
        a_class("c1"), *(an_event(a_person(p, classes=a_seat("c1"))) for p in ("p1", "p2"))
    )
    await eventually(grouped.settled)
    await grouped.query("DELETE FROM directory_sync.place WHERE person_id = 'p2'")

    await grouped.post(program, TARGET, role="operator")

    await eventually(lambda: _members(grouped, {"p1"}))


async def test_an_empty_list_is_not_believed(world, school):
    for user in await world.users():
        await world.scim_request("DELETE", f"/Users/{user['id']}")
    before = await world.query("SELECT * FROM directory_sync.account ORDER BY person_id")

    await world.post(school, TARGET, role="operator")

    read = await eventually(lambda: _read(world, school))
    assert read["lastReadOutcome"] == "empty"
    assert await world.query("SELECT * FROM directory_sync.account ORDER BY person_id") == before
    assert await world.waiting() == 0
    assert await world.users() == []


async def test_a_shrunken_list_is_not_believed(world, school):
    for user in (await world.users())[:26]:
        await world.scim_request("DELETE", f"/Users/{user['id']}")
    before = await world.query("SELECT * FROM directory_sync.account ORDER BY person_id")

    await world.post(school, TARGET, role="operator")

    read = await eventually(lambda: _read(world, school))
    assert read["lastReadOutcome"] == "shrunken"
    assert await world.query("SELECT * FROM directory_sync.account ORDER BY person_id") == before
    assert len(await world.users()) == 4


async def test_a_reading_of_a_directory_that_is_right_changes_nothing(world, school):
    before = await world.users()
    events = await world.events()

    await world.post(school, TARGET, role="operator")

    read = await eventually(lambda: _read(world, school))
    assert read["lastReadOutcome"] == "believed"
    assert await world.waiting() == 0
    assert await world.users() == before
    assert await world.events() == events


async def test_asking_for_a_reading_needs_an_operator_of_the_district(world, school):
    viewer = await world.post(school, TARGET, role="viewer")
    elsewhere = await world.post(school, TARGET, role="operator", districts=["south"])

    assert (viewer.status_code, elsewhere.status_code) == (403, 404)


async def _patch(world, user, path, value):
    operation = {"op": "replace", "path": path, "value": value}
    schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
    body = {"schemas": [schema], "Operations": [operation]}
    await world.scim_request("PATCH", f"/Users/{user['id']}", json=body)


async def _settled_with(world, accounts):
    return len(await world.users()) == accounts and await world.settled()


async def _read(world, program):
    target = (await world.page(program, "/status")).json()["targets"][0]
    return target if target["lastReadOutcome"] else None


async def _given(world, person_id, name):
    return (await world.user(person_id))["name"]["givenName"] == name


async def _members(world, wanted):
    return (await world.members())["k12:class:c1"] == wanted
