"""What names an erased person, or somebody who is none of ours, does not stay with us."""

from tests.support.eventually import eventually

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
RECONCILE = "/reconcile?district=north&target=north-directory"


async def test_an_erased_person_leaves_no_name_behind_and_comes_back_to_the_same_account(
    world, a_person, an_event
):
    program = world.start()
    # A name that no id in hexadecimal can hold by chance.
    first = a_person("p1", given_name="Ayla")
    await world.tell(an_event(first), an_event(a_person("p2", given_name="Zoe")))
    before = await eventually(lambda: world.user("p1"))
    await eventually(world.settled)

    await world.erase("p1")
    await eventually(lambda: _active(world, "p1", active=False))
    await eventually(world.settled)
    await world.post(program, RECONCILE, role="operator")
    await eventually(lambda: _read(world, program))
    await eventually(world.settled)

    assert await _texts(world, "alovelace") == []
    assert await _texts(world, "ayla") == []
    assert await world.events("safety") != []
    drift = [name for name, _ in await world.events() if "drift" in name]
    assert drift == []
    await world.tell(an_event(a_person("p1", revision=2)))
    back = await eventually(lambda: _active(world, "p1", active=True))
    await eventually(world.settled)
    assert (back["id"], back["userName"]) == (before["id"], "alovelace")
    told = [name.split(".")[3] for name, body in await world.events() if body["personId"] == "p1"]
    assert told == ["created", "named", "disabled", "enabled", "named"]


async def test_of_strangers_keys_alone_stay_and_one_that_is_a_newcomer_s_is_linked(
    world, a_person, an_event
):
    stranger = {"schemas": [USER], "userName": "Zerlina", "displayName": "Quist", "active": True}
    made = (await world.scim_request("POST", "/Users", json=stranger)).json()
    world.start()
    await world.tell(an_event(a_person("p1")))
    await eventually(lambda: world.user("p1"))
    await eventually(world.settled)
    for program in world.programs:
        program.kill()

    world.start()

    await eventually(lambda: _bare(world))
    assert await _texts(world, "quist") == []
    await world.tell(an_event(a_person("p2", username="zerlina", given_name="Zerlina")))
    linked = await eventually(lambda: _active(world, "p2", active=True))
    await eventually(world.settled)
    assert (linked["id"], len(await world.users())) == (made["id"], 2)
    assert (await world.user("p2"))["name"]["givenName"] == "Zerlina"
    told = [name.split(".")[3] for name, body in await world.events() if body["personId"] == "p2"]
    assert told == ["updated", "named"]


async def _texts(world, word):
    """Tables of ours in which a word stands."""
    tables = await world.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'directory_sync'"
    )
    found = []
    for (table,) in tables:
        rows = await world.query(
            f"SELECT 1 FROM directory_sync.{table} AS t WHERE t::text ILIKE $1", f"%{word}%"
        )
        found += [table] * bool(rows)
    return found


async def _bare(world):
    rows = await world.query("SELECT observed FROM directory_sync.found_account")
    return bool(rows) and all(row["observed"] is None for row in rows)


async def _active(world, person_id, *, active):
    user = await world.user(person_id)
    return user if user is not None and user["active"] is active else None


async def _read(world, program):
    target = (await world.page(program, "/status")).json()["targets"][0]
    return target["lastReadOutcome"] == "believed"
