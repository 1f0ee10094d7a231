"""SIGKILL of the real process between any two steps leaves exactly one account per person.

The evidence is read from the directory, which others wrote.
"""

import pytest

from tests.support.eventually import eventually

FAILPOINTS = (
    "directory.consume.before_commit",
    "directory.apply.before_call",
    "directory.apply.after_call",
    "directory.record.before_commit",
    "directory.record.after_commit",
)
PEOPLE = ("p1", "p2", "p3")


@pytest.mark.parametrize("failpoint", FAILPOINTS)
async def test_killed_while_creating_it_makes_one_account_each(
    world, a_person, an_event, tmp_path, failpoint
):
    await world.tell(*(an_event(a_person(person_id)) for person_id in PEOPLE))
    marker = tmp_path / "was-hit"

    doomed = world.start_doomed(failpoint, marker)
    code = doomed.wait_for_exit(within_s=60)
    world.start()

    assert code == -9
    assert marker.exists()
    await eventually(lambda: _settled(world), within_s=60)
    users = await world.users()
    assert sorted(user["externalId"] for user in users) == sorted(PEOPLE)
    assert sorted(user["userName"] for user in users) == ["alovelace", "alovelace2", "alovelace3"]
    created = [
        body["personId"]
        for name, body in await world.events()
        if name == "k12.directory.account.created.v1"
    ]
    assert sorted(created) == sorted(PEOPLE)


async def test_killed_amid_a_first_load_it_makes_one_account_each(
    world, a_person, an_event, tmp_path
):
    people = [a_person(f"p{n}", family_name=f"Ng{n % 3}") for n in range(120)]
    await world.tell(*(an_event(person, origin="firstload") for person in people))
    marker = tmp_path / "was-hit"

    code = world.start_doomed("directory.apply.after_call", marker).wait_for_exit(within_s=60)
    world.start()

    assert code == -9
    assert marker.exists()
    await eventually(lambda: _settled(world, accounts=120), within_s=90)
    users = await world.users()
    assert sorted(user["externalId"] for user in users) == sorted(p.person_id for p in people)
    created = [n for n, _ in await world.events() if n == "k12.directory.account.created.v1"]
    assert len(created) == 120


@pytest.mark.parametrize(
    "failpoint", ["directory.apply.after_call", "directory.record.before_commit"]
)
async def test_killed_while_disabling_it_disables_once_and_says_so_once(
    world, a_person, an_event, tmp_path, failpoint
):
    first = world.start()
    await world.tell(an_event(a_person("p1")))
    await eventually(lambda: _settled(world, accounts=1), within_s=60)
    first.kill()
    await world.tell(an_event(a_person("p1", status="tobedeleted", revision=2)))
    marker = tmp_path / "was-hit"

    code = world.start_doomed(failpoint, marker).wait_for_exit(within_s=60)
    world.start()

    assert code == -9
    assert marker.exists()
    await eventually(lambda: _settled(world, accounts=1), within_s=60)
    assert (await world.user("p1"))["active"] is False
    names = [name for name, _ in await world.events()]
    assert names.count("k12.directory.account.disabled.v1") == 1


async def _settled(world, *, accounts=3):
    if len(await world.users()) < accounts or await world.waiting():
        return False
    rows = await world.query("SELECT next_sequence FROM directory_sync.consumer_position")
    return any(row["next_sequence"] for row in rows)
