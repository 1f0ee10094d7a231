"""Who was merged is still here: nothing is collected, and what they had is the kept id's."""

from tests.support.eventually import eventually

GIVEN = "A-1,S-1,Book,assigned,ada,hill"


async def test_what_an_ended_id_had_goes_to_the_kept_one_and_nothing_is_collected(world, say, desk):
    program = world.start()
    await world.upload(program, GIVEN, "A-2,S-2,Book,lost,ada,hill")
    for number in ("t1", "t2"):
        await world.send(program, desk("created", number, minute=0, requester="ada"))
    await world.send(program, desk("solved", "t2", minute=5))
    # A ticket that is solved when the merge comes keeps its requester.
    await eventually(lambda: _state(world, program, "t2", "solved"))
    await eventually(lambda: _state(world, program, "t1", "open"))
    await world.tell(say.joined("kept"), say.state("ada", school_id="hill"))
    await eventually(lambda: world.requests(program, "kept"))

    merged = say.left("ada", merged_into="kept")
    await world.tell(merged, merged, say.left("ada", merged_into="kept"), say.joined("last"))

    await eventually(lambda: world.requests(program, "last"))
    assets = await world.assets(program)
    assert {a["holder"] for a in assets.values()} == {"kept"}
    assert [a["collection"] for a in assets.values()] == [None, None]
    tickets = await world.tickets(program)
    assert {(i, t["requester"]) for i, t in tickets.items()} == {("t1", "kept"), ("t2", "ada")}
    assert [r["state"] for r in await world.requests(program, "kept")] == ["fulfilled"]
    told = [(kind, body["holderPersonId"]) for kind, body in await world.told("assets")
            if "holderPersonId" in body]  # fmt: skip
    assert told[-2:] == [("asset.assigned", "kept")] * 2
    assert not any("collection" in kind or "returned" in kind for kind, _ in told)

    # What others go on saying of the ended id means the kept one.
    assert (await world.upload(program, GIVEN))["unchanged"] == 1
    await world.send(program, desk("reopened", "t2", minute=9, requester="ada"))
    await eventually(lambda: _requester(world, program, "t2", "kept"))
    assert len(await world.tickets(program)) == 2


async def test_a_leaver_who_turns_out_to_be_merged_gives_nothing_back(world, say):
    program = world.start()
    await world.upload(program, GIVEN)
    await world.tell(say.left("ada"))
    (ticket,) = (await eventually(lambda: world.tickets(program))).values()
    assert ticket["state"] == "open"

    await world.tell(say.left("ada", merged_into="kept"), say.joined("last"))

    await eventually(lambda: world.requests(program, "last"))
    (ticket,) = (await world.tickets(program)).values()
    assert ticket["state"] == "closed"
    asset = (await world.assets(program))["A-1"]
    assert (asset["holder"], asset["collection"]) == ("kept", None)


async def test_merges_follow_one_another_in_whatever_order_they_are_told(world, say):
    program = world.start()
    await world.upload(program, GIVEN, "A-2,S-2,Book,assigned,ben,hill")

    await world.tell(say.left("ada", merged_into="eve"), say.left("eve", merged_into="kept"))
    await world.tell(say.left("cid", merged_into="kept"), say.left("ben", merged_into="cid"))
    await world.tell(say.joined("last"))

    await eventually(lambda: world.requests(program, "last"))
    assert {a["holder"] for a in (await world.assets(program)).values()} == {"kept"}
    assert await world.tickets(program) == {}


async def test_a_wish_for_a_device_goes_to_the_kept_id_and_ends_where_it_has_one(world, say):
    program = world.start()
    await world.upload(program, "A-1,S-1,Book,assigned,rich,hill")
    people = ["ada", "ben", "both"]
    await world.tell(*(say.joined(one) for one in people), say.joined("last"))
    await eventually(lambda: world.requests(program, "last"))

    await world.tell(
        say.left("ada", merged_into="kept"),
        say.left("ben", merged_into="rich"),
        say.left("last", merged_into="both"),
        say.joined("end"),
    )

    await eventually(lambda: world.requests(program, "end"))
    states = {one: [r["state"] for r in await world.requests(program, one)]
              for one in ("ada", "kept", "ben", "rich", "last", "both")}  # fmt: skip
    assert states == {
        "ada": [], "kept": ["open"], "ben": [], "rich": ["fulfilled"],
        "last": ["cancelled"], "both": ["open"],
    }  # fmt: skip
    (kept,) = await world.requests(program, "kept")
    wishes = [b["personId"] for b in await world.events() if b["requestId"] == kept["requestId"]]
    assert wishes == ["ada", "kept"]


async def _state(world, program, ticket_id, wanted):
    tickets = await world.tickets(program)
    return ticket_id in tickets and tickets[ticket_id]["state"] == wanted


async def _requester(world, program, ticket_id, wanted):
    return (await world.tickets(program))[ticket_id]["requester"] == wanted
