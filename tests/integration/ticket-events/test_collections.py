"""Devices of people who leave are collected, once for each leaving, and never without reason."""

import pytest

from tests.support.eventually import eventually

GIVEN = "A-1,S-1,Book,assigned,ada,hill"
STOCK = "A-1,S-1,Book,in_stock,,hill"


async def test_who_leaves_with_devices_gets_one_task_for_each_until_they_are_back(world, say):
    program = world.start()
    await world.upload(program, GIVEN, "A-2,S-2,Book,checked_out,ada,")
    await world.tell(say.state("ada", school_id="dale"))
    await eventually(lambda: _copies(world, program, "person"))

    await world.tell(say.left("ada"))

    found = await eventually(lambda: _tickets(world, program, 2))
    assets = await world.assets(program)
    assert {t["device"]: t["site"] for t in found.values()} == {
        assets["A-1"]["assetId"]: "hill",
        assets["A-2"]["assetId"]: "dale",
    }
    for ticket in found.values():
        assert (ticket["desk"], ticket["category"], ticket["state"]) == (
            "homeroom",
            "device_collection",
            "open",
        )
        assert (ticket["requester"], ticket["correlationId"]) == ("ada", "why-1")
    assert assets["A-1"]["collection"] in found
    wished = [b for k, b in await world.told("assets") if k == "asset.collectionrequested"]
    assert sorted(b["ticketId"] for b in wished) == sorted(found)
    assert {b["holderPersonId"] for b in wished} == {"ada"}

    await world.upload(program, STOCK, "A-2,S-2,Book,lost,ada,")

    ended = await world.tickets(program)
    assert {assets_tag(assets, t["device"]): t["state"] for t in ended.values()} == {
        "A-1": "solved",
        "A-2": "closed",
    }
    told = [kind for kind, _ in await world.told("tickets")]
    assert sorted(told) == [
        "ticket.closed",
        "ticket.created",
        "ticket.created",
        "ticket.metric.first_resolution",
        "ticket.metric.full_resolution",
        "ticket.solved",
    ]


async def test_who_comes_back_before_the_device_keeps_it(world, say):
    program = world.start()
    await world.upload(program, GIVEN)
    left = say.left("ada")
    await world.tell(left, left)
    await eventually(lambda: _tickets(world, program, 1))
    await world.tell(say.left("ada"), say.joined("last"))
    await eventually(lambda: world.requests(program, "last"))
    assert len(await world.tickets(program)) == 1

    await world.tell(say.joined("ada"))

    await eventually(lambda: _in_state(world, program, "closed"))
    assert await world.requests(program, "ada") == []

    await world.tell(say.left("ada"))

    await eventually(lambda: _tickets(world, program, 2))
    kinds = [kind for kind, _ in await world.told("assets")]
    assert kinds.count("asset.collectionrequested") == 2


async def test_who_got_a_device_before_the_first_day_asks_for_none(world, say):
    program = world.start()
    await world.upload(program, GIVEN)

    await world.tell(say.joined("ada"), say.joined("last"))

    await eventually(lambda: world.requests(program, "last"))
    assert await world.requests(program, "ada") == []


@pytest.mark.parametrize("origin", ["firstload", "republish"])
async def test_a_first_load_or_a_repetition_collects_nothing(world, say, origin):
    program = world.start()
    await world.upload(program, GIVEN)

    await world.tell(say.left("ada", origin=origin), say.joined("last"))

    await eventually(lambda: world.requests(program, "last"))
    await world.upload(program, GIVEN, "A-9,S-9,Book,assigned,ada,hill")
    assert await world.tickets(program) == {}


async def test_a_school_move_is_no_leaving_and_the_site_shows_it(world, say):
    program = world.start()
    await world.upload(program, GIVEN)

    await world.tell(
        say.joined("ada", origin="firstload"),
        say.moved("ada"),
        say.state("ada", school_id="dale"),
        say.joined("last"),
    )

    await eventually(lambda: world.requests(program, "last"))
    await eventually(lambda: _school(world, program, "dale"))
    assert await world.tickets(program) == {}
    assert (await world.assets(program))["A-1"]["site"] == "hill"


async def test_a_device_given_to_somebody_who_left_is_collected_and_the_task_taken_up_again(
    world, say
):
    program = world.start()
    await world.tell(say.left("ada"), say.joined("last"))
    await eventually(lambda: world.requests(program, "last"))

    await world.upload(program, GIVEN)
    (opened,) = (await world.tickets(program)).values()
    await world.upload(program, STOCK)
    (solved,) = (await world.tickets(program)).values()
    await world.upload(program, GIVEN)
    (again,) = (await world.tickets(program)).values()

    assert (opened["state"], solved["state"], again["state"]) == ("open", "solved", "open")
    assert again["reopens"] == 1
    kinds = [kind for kind, _ in await world.told("assets")]
    assert kinds.count("asset.collectionrequested") == 1


async def test_a_device_given_to_who_waits_for_one_fulfils_the_request(world, say):
    program = world.start()
    await world.tell(say.joined("ada"))
    await eventually(lambda: world.requests(program, "ada"))

    await world.upload(program, GIVEN)

    (request,) = await world.requests(program, "ada")
    assert request["state"] == "fulfilled"


@pytest.mark.parametrize("failpoint", ["tickets.consume.before_commit", "log.consume.after_commit"])
async def test_killed_around_its_commit_it_collects_once(world, say, tmp_path, failpoint):
    await world.upload(world.start(), GIVEN)
    world.programs[-1].kill()
    await world.tell(say.left("ada"))
    marker = tmp_path / "was-hit"

    code = world.start_doomed(failpoint, marker).wait_for_exit(within_s=60)
    program = world.start()

    await eventually(lambda: _tickets(world, program, 1), within_s=60)
    assert (code, marker.exists()) == (-9, True)
    kinds = [kind for kind, _ in await world.told("assets")]
    assert kinds.count("asset.collectionrequested") == 1
    assert [kind for kind, _ in await world.told("tickets")] == ["ticket.created"]


async def test_a_trace_tells_every_step_and_every_copy(world, say):
    program = world.start()
    report = await world.upload(program, GIVEN, "A-2,S-2,Book,in_stock,,hill")
    await world.tell(say.state("ada", school_id="hill"), say.left("ada"), say.joined("ben"))
    await eventually(lambda: _tickets(world, program, 1))
    await eventually(lambda: world.requests(program, "ben"))
    # States and lifecycle are topics of their own: one may be read before the other.
    await eventually(lambda: _copies(world, program, "person"))
    later = await world.upload(program, "A-2,S-2,Book,assigned,ben,hill")

    file = (await world.page(program, f"/trace/{report['correlationId']}")).json()["steps"]
    given = (await world.page(program, f"/trace/{later['correlationId']}")).json()["steps"]
    why = (await world.page(program, "/trace/why-1")).json()["steps"]
    copies = (await world.page(program, "/trace/people/ada")).json()["copies"]
    hidden = (await world.page(program, "/trace/why-1", districts=["south"])).json()["steps"]

    assert {(s["what"], s["count"]) for s in file} == {
        ("inventory.imported", 2),
        ("asset.registered", 2),
        ("asset.assigned", None),
    }
    assert {s["what"] for s in given} == {
        "inventory.imported",
        "asset.assigned",
        "request.fulfilled",
    }
    assert {s["what"] for s in why} == {
        "device.collectionrequested",
        "ticket.created",
        "device.requested",
    }
    assert {(c["kind"], c["state"]) for c in copies} == {
        ("presence", "left"),
        ("person", "active"),
        ("device", "assigned"),
        ("collection", "open"),
    }
    assert hidden == []


def assets_tag(assets, asset_id):
    return next(tag for tag, asset in assets.items() if asset["assetId"] == asset_id)


async def _tickets(world, program, wanted):
    found = await world.tickets(program)
    return found if len(found) == wanted else None


async def _in_state(world, program, state):
    return [t for t in (await world.tickets(program)).values() if t["state"] == state]


async def _copies(world, program, kind):
    copies = (await world.page(program, "/trace/people/ada")).json()["copies"]
    return [copy for copy in copies if copy["kind"] == kind]


async def _school(world, program, school):
    return (await world.assets(program))["A-1"]["holderSchool"] == school
