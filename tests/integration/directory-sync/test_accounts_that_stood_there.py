"""Accounts that stood there, or half came to be: each is one person's, and each step is told once."""

import json

from tests.support.bent_directory import Bend, bent_directory
from tests.support.eventually import eventually

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CREATED, NAMED = "k12.directory.account.created.v1", "k12.directory.account.named.v1"
ENABLED = "k12.directory.account.enabled.v1"


async def test_of_two_persons_with_one_username_one_is_linked_and_the_other_refused(
    world, a_person, an_event
):
    await world.scim_request("POST", "/Users", json={"schemas": [USER], "userName": "ann"})
    program = world.start()

    await world.tell(
        an_event(a_person("a1", username="ann")), an_event(a_person("a2", username="ann"))
    )
    await world.tell(an_event(a_person("later")))

    assert await eventually(lambda: world.user("later"))
    linked = await eventually(lambda: world.user("a1"))
    assert linked["userName"] == "ann"
    failed = await eventually(lambda: _failed(world, program, "a2"))
    assert failed["lastErrorCode"] == "ambiguous_match"
    assert len(await world.users()) == 2
    assert "loop_failed" not in program.log()


class LosesSight(Bend):
    """Says once that an account is not there, which stands there all the same."""

    lost = False

    def take(self, method, path, body):
        """One change is answered 404."""
        if method == "PATCH" and not self.lost:
            self.lost = True
            return 404, b"{}"
        return body


async def test_an_account_met_again_by_its_name_gets_its_new_values_and_is_told_once(
    world, a_person, an_event
):
    with bent_directory(world.scim.url, LosesSight()) as url:
        program = world.start(HOMEROOM_TARGETS=world.targets(url=url))
        await world.tell(an_event(a_person("p1")))
        await eventually(world.settled)

        await world.tell(an_event(a_person("p1", family_name="Byron", revision=2)))

        await eventually(lambda: _family(world, "Byron"))
        await eventually(world.settled)
    (account,) = (await world.page(program, "/accounts/p1")).json()["accounts"]
    assert account["unheeded"] == []
    assert await _told(world) == [CREATED, NAMED, "k12.directory.account.updated.v1"]


async def test_killed_while_linking_the_names_are_told_once(world, a_person, an_event, tmp_path):
    old = {"schemas": [USER], "userName": "old.name", "externalId": "p1", "active": True}
    await world.scim_request("POST", "/Users", json=old)
    await world.tell(an_event(a_person("p1")))
    marker = tmp_path / "was-hit"

    code = world.start_doomed("directory.apply.before_call", marker).wait_for_exit(within_s=60)
    world.start()

    assert (code, marker.exists()) == (-9, True)
    await eventually(lambda: _family(world, "Lovelace"), within_s=60)
    await eventually(world.settled)
    named = [body["username"] for name, body in await world.events() if name == NAMED]
    assert named == ["old.name"]


class TakesNoChange(Bend):
    """Refuses every change of an account."""

    def take(self, method, path, body):
        """A change is answered 400."""
        return (400, b"{}") if method == "PATCH" else body


async def test_names_of_a_linked_account_are_told_though_its_first_change_is_refused(
    world, a_person, an_event
):
    old = {"schemas": [USER], "userName": "old.name", "externalId": "p1", "active": True}
    await world.scim_request("POST", "/Users", json=old)
    with bent_directory(world.scim.url, TakesNoChange()) as url:
        world.start(HOMEROOM_TARGETS=world.targets(url=url))

        await world.tell(an_event(a_person("p1")))

        told = await eventually(lambda: _two_told(world))
    assert told == [NAMED, "k12.directory.account.failed.v1"]


class MakesThemOff(Bend):
    """Every new account is off at first."""

    def take(self, method, path, body):
        """A create asks for an account that is off."""
        if method == "POST" and path.endswith("/Users"):
            return json.dumps(json.loads(body) | {"active": False}).encode()
        return body


async def test_a_directory_that_makes_accounts_off_has_them_switched_on_and_told(
    world, a_person, an_event
):
    with bent_directory(world.scim.url, MakesThemOff()) as url:
        world.start(HOMEROOM_TARGETS=world.targets(url=url))

        await world.tell(an_event(a_person("p1")))

        user = await eventually(lambda: world.user("p1"))
        await eventually(world.settled)
    assert (await world.user("p1"))["active"] is True
    assert user["userName"] == "alovelace"
    assert await _told(world) == [CREATED, NAMED, ENABLED]


async def _two_told(world):
    told = await _told(world)
    return told if len(told) > 1 else None


async def _told(world):
    return [name for name, _ in await world.events()]


async def _family(world, name):
    user = await world.user("p1")
    return user is not None and user.get("name", {}).get("familyName") == name


async def _failed(world, program, person_id):
    page = await world.page(program, f"/accounts/{person_id}")
    if page.status_code != 200:
        return None
    (account,) = page.json()["accounts"]
    return account if account["lastErrorCode"] else None
