"""A student who joins needs a device; nobody else does, and nobody twice."""

import pytest

from tests.support.eventually import eventually


async def test_students_who_join_get_one_request_each_and_nobody_else_does(world, say):
    program = world.start()
    joined = say.joined("ada")
    await world.tell(say.state("ada", school_id="hill"), say.state("ben", school_id="dale"))
    await eventually(lambda: _persons(world, program, 2))

    await world.tell(
        joined,
        say.joined("ben", to_org_ids=("hill", "dale")),
        say.joined("loaded", origin="firstload"),
        say.joined("again", origin="republish"),
        say.joined("teacher", role="teacher"),
        say.joined("last"),
    )

    await eventually(lambda: world.requests(program, "last"))
    (ada,) = await world.requests(program, "ada")
    assert ada["state"] == "open"
    assert ada["schoolId"] == "hill"
    assert ada["reason"] == "person_joined"
    assert ada["correlationId"] == "why-1"
    assert ada["causationId"] == joined.id
    (ben,) = await world.requests(program, "ben")
    assert ben["schoolId"] == "dale"
    for nobody in ("loaded", "again", "teacher"):
        assert await world.requests(program, nobody) == []
    requested = {body["personId"]: body for body in await world.events()}
    assert sorted(requested) == ["ada", "ben", "last"]
    assert requested["ada"] == {
        "requestId": ada["requestId"],
        "personId": "ada",
        "schoolId": "hill",
        "role": "student",
        "reason": "person_joined",
    }


async def test_an_event_told_again_makes_no_second_request(world, say):
    program = world.start()
    joined = say.joined("ada")

    await world.tell(joined)
    await eventually(lambda: world.requests(program, "ada"))
    await world.tell(joined, say.joined("ada"), say.joined("last"))

    await eventually(lambda: world.requests(program, "last"))
    assert len(await world.requests(program, "ada")) == 1
    assert [body["personId"] for body in await world.events()] == ["ada", "last"]


async def test_who_leaves_before_getting_a_device_is_not_waited_for_and_may_ask_anew(world, say):
    program = world.start()

    await world.tell(say.joined("ada"), say.left("ada"), say.joined("ada"), say.joined("last"))

    await eventually(lambda: world.requests(program, "last"))
    states = [request["state"] for request in await world.requests(program, "ada")]
    assert sorted(states) == ["cancelled", "open"]


async def test_who_was_away_for_an_hour_by_mistake_asks_for_nothing(world, say):
    program = world.start()

    await world.tell(
        *(say.joined(f"p{n}", origin="firstload") for n in range(5)),
        *(say.left(f"p{n}") for n in range(5)),
        *(say.joined(f"p{n}") for n in range(5)),
        say.joined("last"),
    )

    await eventually(lambda: world.requests(program, "last"))
    assert [body["personId"] for body in await world.events()] == ["last"]


async def test_pages_need_a_token_show_no_other_district_and_go_page_by_page(world, say):
    program = world.start()
    await world.tell(*(say.joined(f"p{n}") for n in range(5)))
    await eventually(lambda: world.requests(program, "p4"))

    without = await world.http.get(f"{program.url}/device-requests")
    other = await world.page(program, "/device-requests", districts=["south"])
    first = (await world.page(program, "/device-requests?limit=3")).json()
    second = (await world.page(program, "/device-requests?limit=3&offset=3")).json()
    too_many = await world.page(program, "/device-requests?limit=1001")
    status = (await world.page(program, "/status")).json()
    elsewhere = (await world.page(program, "/status?district=south")).json()

    assert elsewhere == {"districts": []}
    assert without.status_code == 401
    assert other.json() == {"total": 0, "deviceRequests": []}
    assert first["total"] == second["total"] == 5
    seen = [r["personId"] for r in first["deviceRequests"] + second["deviceRequests"]]
    assert sorted(seen) == ["p0", "p1", "p2", "p3", "p4"]
    assert too_many.status_code == 422
    assert status["districts"] == [
        {"district": "north", "persons": 0, "deviceRequests": {"open": 5}}
    ]


@pytest.mark.parametrize("failpoint", ["tickets.consume.before_commit", "log.consume.after_commit"])
async def test_killed_around_its_commit_it_asks_once_for_each(world, say, tmp_path, failpoint):
    await world.tell(say.joined("ada"), say.joined("ben"))
    marker = tmp_path / "was-hit"

    code = world.start_doomed(failpoint, marker).wait_for_exit(within_s=60)
    program = world.start()

    assert code == -9
    assert marker.exists()
    await eventually(lambda: world.requests(program, "ben"), within_s=60)
    assert len(await world.requests(program, "ada")) == 1
    assert sorted(body["personId"] for body in await world.events()) == ["ada", "ben"]


async def _persons(world, program, wanted):
    districts = (await world.page(program, "/status")).json()["districts"]
    return bool(districts) and districts[0]["persons"] == wanted
