"""SIGKILL of the real process around a call about groups leaves one group with the right members.

The evidence is read from the directory, which others wrote.
"""

import pytest

from tests.support.eventually import eventually

FAILPOINTS = ("directory.groups.before_call", "directory.groups.after_call")
KEY = "k12:class:c1"
ADDED = "k12.directory.membership.added.v1"
REMOVED = "k12.directory.membership.removed.v1"


@pytest.mark.parametrize("failpoint", FAILPOINTS)
async def test_killed_while_making_a_group_it_makes_one(
    grouped, a_person, an_event, a_class, a_seat, tmp_path, failpoint
):
    marker = tmp_path / "was-hit"
    await grouped.tell(
        a_class("c1"),
        *(an_event(a_person(p, classes=a_seat("c1")), origin="firstload") for p in ("p1", "p2")),
    )

    code = grouped.start_doomed(failpoint, marker).wait_for_exit(within_s=60)
    grouped.start()

    assert code == -9
    assert marker.exists()
    await eventually(grouped.settled, within_s=60)
    assert [group["externalId"] for group in await grouped.groups()] == [KEY]
    assert await grouped.members() == {KEY: {"p1", "p2"}}
    assert await _told(grouped, ADDED) == ["p1", "p2"]


@pytest.mark.parametrize("failpoint", FAILPOINTS)
async def test_killed_while_changing_members_it_reads_first_and_tells_each_change_once(
    grouped, a_person, an_event, a_class, a_seat, tmp_path, failpoint
):
    first = grouped.start()
    await grouped.tell(a_class("c1"), an_event(a_person("p1", classes=a_seat("c1"))))
    await eventually(grouped.settled, within_s=60)
    first.kill()
    await grouped.tell(
        an_event(a_person("p1", revision=2)),
        an_event(a_person("p2", classes=a_seat("c1"))),
    )
    marker = tmp_path / "was-hit"

    code = grouped.start_doomed(failpoint, marker).wait_for_exit(within_s=60)
    grouped.start()

    assert code == -9
    assert marker.exists()
    await eventually(grouped.settled, within_s=60)
    assert await grouped.members() == {KEY: {"p2"}}
    assert await _told(grouped, ADDED) == ["p1", "p2"]
    assert await _told(grouped, REMOVED) == ["p1"]


async def _told(world, wanted):
    return sorted(body["personId"] for name, body in await world.events() if name == wanted)
