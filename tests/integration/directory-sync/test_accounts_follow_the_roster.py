"""From an event on the log to an account in a directory that we did not write."""

import re

from homeroom.parts.scim import start_scim
from tests.support.eventually import eventually


async def test_a_new_person_gets_an_account_with_allocated_names(world, a_person, an_event):
    world.start()

    await world.tell(an_event(a_person("p1"), correlation_id="why-new"))

    user = await eventually(lambda: world.user("p1"))
    assert user["userName"] == "alovelace"
    assert user["active"] is True
    assert user["name"] == {"givenName": "Ada", "familyName": "Lovelace"}
    assert user["emails"] == [{"value": "alovelace@north.example", "type": "work", "primary": True}]
    await eventually(lambda: _none_waiting(world))
    events = await world.events()
    assert [name for name, _ in events] == [
        "k12.directory.account.created.v1",
        "k12.directory.account.named.v1",
    ]
    assert events[0][1]["accountId"] == user["id"]
    assert events[1][1] == {
        "personId": "p1",
        "target": "north-directory",
        "username": "alovelace",
        "email": "alovelace@north.example",
    }


async def test_events_of_an_account_carry_the_correlation_id_of_the_delivery(
    world, a_person, an_event
):
    world.start()

    await world.tell(an_event(a_person("p1"), correlation_id="why-new"))

    await eventually(lambda: _events_of(world, 2))
    rows = await world.query("SELECT headers FROM log.event WHERE topic = 'directory.accounts'")
    assert all('"why-new"' in row["headers"] for row in rows)


async def test_two_persons_of_one_name_get_two_usernames(world, a_person, an_event):
    world.start()

    await world.tell(an_event(a_person("p1")), an_event(a_person("p2")))

    await eventually(lambda: _count(world, 2))
    assert sorted(user["userName"] for user in await world.users()) == [
        "alovelace",
        "alovelace2",
    ]


async def test_a_changed_name_changes_the_account_and_not_the_allocated_username(
    world, a_person, an_event
):
    world.start()
    await world.tell(an_event(a_person("p1")))
    before = await eventually(lambda: world.user("p1"))

    await world.tell(an_event(a_person("p1", family_name="Byron", revision=2)))

    after = await eventually(lambda: _user_where(world, "p1", family="Byron"))
    assert after["id"] == before["id"]
    assert after["userName"] == "alovelace"
    assert after["displayName"] == "Ada Byron"
    events = await eventually(lambda: _events_of(world, 3))
    assert events[-1] == (
        "k12.directory.account.updated.v1",
        {
            "target": "north-directory",
            "personId": "p1",
            "accountId": before["id"],
            "attributesChanged": ["displayName", "name.familyName"],
            "attempt": 1,
        },
    )


async def test_a_leaver_is_disabled_never_deleted_and_comes_back_to_the_same_account(
    world, a_person, an_event
):
    world.start()
    await world.tell(an_event(a_person("p1")))
    before = await eventually(lambda: world.user("p1"))

    await world.tell(an_event(a_person("p1", status="tobedeleted", revision=2)))
    disabled = await eventually(lambda: _user_where(world, "p1", active=False))
    await world.tell(an_event(a_person("p1", revision=3)))
    enabled = await eventually(lambda: _user_where(world, "p1", active=True))

    assert disabled["id"] == before["id"] == enabled["id"]
    names = [name for name, _ in await eventually(lambda: _events_of(world, 4))]
    assert names[-2:] == [
        "k12.directory.account.disabled.v1",
        "k12.directory.account.enabled.v1",
    ]


async def test_an_erased_person_keeps_a_disabled_account_and_no_state(world, a_person, an_event):
    world.start()
    await world.tell(an_event(a_person("p1")))
    await eventually(lambda: world.user("p1"))

    await world.erase("p1")

    await eventually(lambda: _user_where(world, "p1", active=False))
    rows = await world.query("SELECT state, deleted FROM directory_sync.person")
    assert [(row["state"], row["deleted"]) for row in rows] == [(None, True)]


async def test_a_person_without_a_wanted_role_gets_no_account(world, a_person, an_event):
    program = world.start()
    guardian = a_person("p1", roles=())

    await world.tell(an_event(guardian), an_event(a_person("p2")))

    await eventually(lambda: world.user("p2"))
    assert await world.user("p1") is None
    page = await world.page(program, "/accounts/p1")
    assert page.json()["accounts"][0]["state"] == "none"
    assert page.json()["accounts"][0]["reason"] == "no_current_role"


async def test_names_that_the_roster_gives_are_kept_and_not_told_back(world, a_person, an_event):
    world.start()

    await world.tell(an_event(a_person("p1", username="ada.l", email="ada@school.example")))

    user = await eventually(lambda: world.user("p1"))
    assert user["userName"] == "ada.l"
    assert user["emails"][0]["value"] == "ada@school.example"
    await eventually(lambda: _none_waiting(world))
    assert [name for name, _ in await world.events()] == ["k12.directory.account.created.v1"]


async def test_a_first_load_goes_in_bulk_and_makes_one_account_each(world, a_person, an_event):
    people = [a_person(f"p{n}", given_name="Bo", family_name=f"Ng{n % 7}") for n in range(250)]
    await world.tell(*(an_event(one, origin="firstload") for one in people))

    world.start()

    await eventually(lambda: _count(world, 250), within_s=60)
    await eventually(lambda: _none_waiting(world), within_s=20)
    users = await world.users()
    assert {user["externalId"] for user in users} == {one.person_id for one in people}
    assert len({user["userName"] for user in users}) == 250
    created = [n for n, _ in await world.events() if n == "k12.directory.account.created.v1"]
    assert len(created) == 250


async def test_a_repeated_event_asks_the_directory_for_nothing(world, a_person, an_event):
    world.start()
    await world.tell(an_event(a_person("p1")))
    await eventually(lambda: _events_of(world, 2))
    before = await world.user("p1")

    await world.tell(an_event(a_person("p1")), an_event(a_person("p2")))

    await eventually(lambda: world.user("p2"))
    assert (await world.user("p1"))["meta"] == before["meta"]


async def test_an_account_that_stood_there_before_is_linked_and_not_made_twice(
    world, a_person, an_event
):
    made = await world.scim_request(
        "POST",
        "/Users",
        json={
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "old.name",
            "externalId": "p1",
            "active": True,
        },
    )
    stranger = await world.scim_request(
        "POST",
        "/Users",
        json={
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "ALovelace",
        },
    )
    world.start()

    await world.tell(an_event(a_person("p1")), an_event(a_person("p2")))

    await eventually(lambda: _count(world, 3))
    await eventually(lambda: _none_waiting(world))
    linked = await world.user("p1")
    assert linked["id"] == made.json()["id"]
    assert linked["userName"] == "old.name"
    assert linked["name"]["familyName"] == "Lovelace"
    assert (await world.user("p2"))["userName"] == "alovelace2"
    untouched = await world.scim_request("GET", f"/Users/{stranger.json()['id']}")
    assert untouched.json() == stranger.json()


async def test_a_name_taken_after_the_first_read_leads_to_the_next_one(world, a_person, an_event):
    world.start()
    await world.scim_request(
        "POST",
        "/Users",
        json={
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "alovelace",
        },
    )

    await world.tell(an_event(a_person("p1")))

    user = await eventually(lambda: world.user("p1"))
    assert user["userName"] == "alovelace2"


async def test_a_username_of_the_roster_that_another_person_holds_is_shown_as_failed(
    world, a_person, an_event
):
    program = world.start()
    await world.tell(an_event(a_person("p1", username="same")))
    await eventually(lambda: world.user("p1"))

    await world.tell(an_event(a_person("p2", username="same")))

    failed = await eventually(lambda: _failed(world, program, "p2"))
    assert failed["lastErrorCode"] == "username_taken"
    assert failed["waiting"]["attempts"] == 1
    assert len(await world.users()) == 1
    status = (await world.page(program, "/status")).json()
    assert status["targets"][0]["failing"] == {"username_taken": 1}
    assert status["targets"][0]["accounts"] == {"enabled": 1, "reserved": 1}


async def test_a_username_that_the_roster_moves_goes_to_the_next_person(world, a_person, an_event):
    world.start()
    await world.tell(an_event(a_person("p1", username="same")))
    await eventually(lambda: world.user("p1"))
    await world.tell(an_event(a_person("p1", username="other", revision=2)))
    await eventually(lambda: _named(world, "p1", "other"))
    await eventually(world.settled)

    await world.tell(an_event(a_person("p2", username="same")))

    assert await eventually(lambda: _named(world, "p2", "same"))
    await eventually(world.settled)
    # It is the second one's now.
    await world.tell(an_event(a_person("p1", username="same", revision=3)))
    await eventually(lambda: _refused(world, "p1"))


async def test_a_username_of_a_leaver_goes_to_the_next_person_once_the_directory_is_rid_of_it(
    world, a_person, an_event
):
    world.start()
    await world.tell(an_event(a_person("p1", username="same")))
    gone = await eventually(lambda: world.user("p1"))
    await world.tell(an_event(a_person("p1", username="same", status="tobedeleted", revision=2)))
    await eventually(lambda: _user_where(world, "p1", active=False))
    await eventually(world.settled)
    await world.tell(an_event(a_person("p2", username="same")))
    await eventually(lambda: _refused(world, "p2"))

    await world.scim_request("DELETE", f"/Users/{gone['id']}")
    await world.tell(an_event(a_person("p2", username="same", revision=2, family_name="B")))

    assert await eventually(lambda: _named(world, "p2", "same"))


async def test_a_username_of_a_stranger_goes_to_its_person_once_the_directory_gives_it(
    world, a_person, an_event
):
    stranger = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "same",
        "externalId": "somebody",
    }
    made = await world.scim_request("POST", "/Users", json=stranger)
    world.start()
    await world.tell(an_event(a_person("p2", username="same")))
    await eventually(lambda: _refused(world, "p2"))

    await world.scim_request("DELETE", f"/Users/{made.json()['id']}")
    await world.tell(an_event(a_person("p2", username="same", revision=2, family_name="B")))

    assert await eventually(lambda: _named(world, "p2", "same"))


async def test_an_account_deleted_by_hand_is_made_again_with_the_same_name(
    world, a_person, an_event
):
    world.start()
    await world.tell(an_event(a_person("p1")))
    gone = await eventually(lambda: world.user("p1"))
    await world.scim_request("DELETE", f"/Users/{gone['id']}")

    await world.tell(an_event(a_person("p1", family_name="Byron", revision=2)))

    user = await eventually(lambda: world.user("p1"))
    assert user["userName"] == "alovelace"
    assert user["id"] != gone["id"]


async def test_a_target_that_is_away_is_waited_for_and_then_brought_right(
    world, a_person, an_event, tmp_path
):
    away = world.scim
    away.stop()
    program = world.start()
    await world.tell(an_event(a_person("p1")))
    await eventually(world.waiting)
    status = (await world.page(program, "/status")).json()

    back = start_scim(
        tmp_path, port=int(away.url.rpartition(":")[2].partition("/")[0]), token=away.token
    )

    try:
        assert status["targets"][0]["waiting"] == 1
        assert status["targets"][0]["firstReadAt"] is None
        assert await eventually(lambda: world.user("p1"), within_s=60)
    finally:
        back.stop()


async def test_pages_need_a_token_and_show_no_other_district(world, a_person, an_event):
    program = world.start()
    await world.tell(an_event(a_person("p1")))
    await eventually(lambda: world.user("p1"))

    without = await world.http.get(f"{program.url}/accounts/p1")
    other = await world.page(program, "/accounts/p1", districts=["south"])
    own = await world.page(program, "/accounts/p1")
    elsewhere = await world.page(program, "/status?district=south")

    assert without.status_code == 401
    assert elsewhere.json() == {"targets": []}
    assert other.status_code == 404
    assert own.json()["accounts"][0]["username"] == "alovelace"
    assert own.json()["accounts"][0]["reason"] == "role:student"


async def test_logs_of_the_service_hold_no_names(world, a_person, an_event):
    program = world.start()

    await world.tell(an_event(a_person("p1", given_name="Zerlina", family_name="Quist")))

    await eventually(lambda: world.user("p1"))
    await eventually(lambda: _none_waiting(world))
    await eventually(lambda: "target_round" in program.log())
    assert not re.search("zerlina|quist", program.log(), re.IGNORECASE)


async def _none_waiting(world):
    return await world.waiting() == 0


async def _count(world, wanted):
    return len(await world.users()) == wanted


async def _events_of(world, wanted):
    events = await world.events()
    return events if len(events) >= wanted else None


async def _user_where(world, person_id, *, active=None, family=None):
    user = await world.user(person_id)
    if user is None or (active is not None and user["active"] is not active):
        return None
    return None if family is not None and user["name"]["familyName"] != family else user


async def _named(world, person_id, username):
    user = await world.user(person_id)
    return user is not None and user["userName"] == username


async def _refused(world, person_id):
    rows = await world.query(
        "SELECT 1 FROM directory_sync.account"
        " WHERE person_id = $1 AND last_error_code = 'username_taken'",
        person_id,
    )
    return bool(rows)


async def _failed(world, program, person_id):
    page = await world.page(program, f"/accounts/{person_id}")
    if page.status_code != 200:
        return None
    account = page.json()["accounts"][0]
    return account if account["lastErrorCode"] else None
