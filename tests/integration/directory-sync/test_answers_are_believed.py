"""A directory that says yes and does something else is seen, and is not asked for ever."""

import json
from collections.abc import Iterator

import pytest

from tests.support.bent_directory import Bend, bent_directory
from tests.support.eventually import eventually

RECONCILE = "/reconcile?district=north&target=north-directory"


class Stubborn(Bend):
    """Display names end up in capitals, and some accounts stay on."""

    keeps_on = False

    def take(self, method: str, path: str, body: bytes) -> bytes:
        """The request as this directory takes it."""
        if not body:
            return body
        asked = json.loads(body)
        for operation in asked.get("Operations", ()):
            if operation.get("path") == "displayName":
                operation["value"] = operation["value"].upper()
            if operation.get("path") == "active" and self.keeps_on:
                operation["value"] = True
        if "displayName" in asked:
            asked["displayName"] = asked["displayName"].upper()
        return json.dumps(asked).encode()


@pytest.fixture
def stubborn(world) -> Iterator[tuple[Stubborn, str]]:
    """The directory with a will of its own, and its address."""
    will = Stubborn()
    with bent_directory(world.scim.url, will) as url:
        yield will, url


async def test_a_value_that_is_not_taken_is_shown_and_asked_for_once(
    world, stubborn, a_person, an_event
):
    will, url = stubborn
    program = world.start(HOMEROOM_TARGETS=world.targets(url=url))
    await world.tell(an_event(a_person("p1")))
    await eventually(lambda: world.user("p1"))
    await eventually(world.settled)
    asked = will.changes()

    await world.post(program, RECONCILE, role="operator")
    await eventually(lambda: _read(world, program))
    await eventually(world.settled)

    (account,) = (await world.page(program, "/accounts/p1")).json()["accounts"]
    assert account["unheeded"] == ["displayName"]
    assert account["attributes"]["displayName"] == "ADA LOVELACE"
    assert will.changes() == asked
    # Another wish is asked for.
    await world.tell(an_event(a_person("p1", family_name="Byron", revision=2)))
    await eventually(lambda: _shown(world, "ADA BYRON"))


async def test_an_account_that_stays_on_is_parked_with_a_reason(
    world, stubborn, a_person, an_event
):
    will, url = stubborn
    program = world.start(HOMEROOM_TARGETS=world.targets(url=url))
    await world.tell(an_event(a_person("p1")))
    await eventually(lambda: world.user("p1"))
    await eventually(world.settled)
    will.keeps_on = True

    await world.tell(an_event(a_person("p1", enabled=False, revision=2)))

    account = await eventually(lambda: _failed(world, program))
    assert (account["state"], account["lastErrorCode"]) == ("enabled", "not_heeded")
    assert account["waiting"]["attempts"] == 1


async def _read(world, program):
    target = (await world.page(program, "/status")).json()["targets"][0]
    return target["lastReadOutcome"] == "believed"


async def _shown(world, name):
    return (await world.user("p1"))["displayName"] == name


async def _failed(world, program):
    (account,) = (await world.page(program, "/accounts/p1")).json()["accounts"]
    return account if account["lastErrorCode"] else None
