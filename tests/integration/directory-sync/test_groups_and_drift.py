"""Somebody's change of accounts in the directory takes nobody out of a group."""

from tests.support.bent_directory import Bend, bent_directory
from tests.support.eventually import eventually

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
OFF = {"op": "replace", "path": "active", "value": False}
RECONCILE = "/reconcile?district=north&target=north-directory"


class Slow(Bend):
    """Changes no account for a while."""

    slow = False

    def take(self, method, path, body):
        """Not now."""
        return (429, b"{}") if self.slow and method == "PATCH" and "/Users/" in path else body


async def test_accounts_switched_off_by_hand_stay_in_their_groups_until_they_are_on_again(
    grouped, a_person, an_event, a_class, a_seat
):
    people = [f"p{n}" for n in range(6)]
    bend = Slow()
    with bent_directory(grouped.scim.url, bend) as url:
        program = grouped.start(HOMEROOM_TARGETS=grouped.targets(url=url))
        await grouped.tell(a_class("c1"))
        await grouped.tell(*(an_event(a_person(p, classes=a_seat("c1"))) for p in people))
        await eventually(grouped.settled, within_s=60)
        before = await grouped.members()
        bend.slow = True
        for user in await grouped.users():
            body = {"schemas": [PATCH], "Operations": [OFF]}
            await grouped.scim_request("PATCH", f"/Users/{user['id']}", json=body)

        await grouped.post(program, RECONCILE, role="operator")

        await eventually(lambda: _tried(grouped, 6), within_s=30)
        await eventually(lambda: _groups_looked_at(grouped), within_s=30)
        bend.slow = False
        await eventually(grouped.settled, within_s=60)
    assert all(user["active"] for user in await grouped.users())
    assert await grouped.members() == before == {"k12:class:c1": set(people)}
    told = [name for name, _ in await grouped.events()]
    assert told.count("k12.directory.membership.removed.v1") == 0
    assert told.count("k12.directory.membership.added.v1") == 6


async def _tried(world, wanted):
    rows = await world.query(
        "SELECT count(*) AS n FROM directory_sync.dirty WHERE last_error_code IS NOT NULL"
    )
    return rows[0]["n"] == wanted


async def _groups_looked_at(world):
    (row,) = await world.query(
        "SELECT (SELECT last_read_outcome FROM directory_sync.target) AS outcome,"
        " (SELECT count(*) FROM directory_sync.dirty_group) AS groups"
    )
    return row["outcome"] == "believed" and not row["groups"]
