"""An inventory file: good rows stored, bad rows named, a repeated file silent, nothing removed."""

import pytest

from tests.support.eventually import eventually

HEADER = "assetTag,serial,model,status,holder,site"


async def test_a_file_registers_devices_and_every_later_one_tells_only_the_difference(world, say):
    program = world.start()
    rows = [
        "A-1,S-1,Book,assigned,ada,hill",
        "A-2,S-2,Book,in_stock,,hill",
        "A-3,S-3,Book,assigned,ada,hill",
    ]

    first = await world.upload(program, *rows)
    before = await world.told("assets")
    again = await world.upload(program, *reversed(rows))
    silent = await world.told("assets")
    await world.upload(program, "A-1,S-1,Book,in_stock,,dale", "A-2,S-2,Book,assigned,ben,hill")

    assert (first["read"], first["new"], first["changed"], first["unchanged"]) == (3, 3, 0, 0)
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 3)
    assert silent == before
    assert [(kind, body["assetTag"], body.get("holderPersonId")) for kind, body in before] == [
        ("asset.registered", "A-1", "ada"),
        ("asset.assigned", "A-1", "ada"),
        ("asset.registered", "A-2", None),
        ("asset.registered", "A-3", "ada"),
        ("asset.assigned", "A-3", "ada"),
    ]
    later = (await world.told("assets"))[len(before) :]
    assert [(kind, body["assetTag"], body.get("holderPersonId")) for kind, body in later] == [
        ("asset.returned", "A-1", "ada"),
        ("asset.moved", "A-1", None),
        ("asset.assigned", "A-2", "ben"),
    ]
    found = await world.assets(program)
    assert {tag: (a["state"], a["holder"], a["site"]) for tag, a in found.items()} == {
        "A-1": ("in_stock", None, "dale"),
        "A-2": ("assigned", "ben", "hill"),
        "A-3": ("assigned", "ada", "hill"),
    }
    page = (await world.page(program, f"/assets/{found['A-1']['assetId']}")).json()
    assert [step["what"] for step in page["history"]] == [
        "registered",
        "assigned",
        "returned",
        "moved",
    ]
    assert sorted(await world.assets(program, "&holder=ada")) == ["A-3"]
    assert sorted(await world.assets(program, "&site=hill&state=assigned")) == ["A-2", "A-3"]


async def test_bad_rows_are_named_without_their_values_and_good_ones_are_stored(world):
    program = world.start()
    await world.upload(program, "A-0,S-0,Book,in_stock,,hill")

    report = await world.upload(
        program,
        "A-1,S-1,Book,assigned,ada,hill",
        "A-2,S-2,Book,teleported,ada,hill",
        "A-3,S-3,Book,assigned,ada@school.test,hill",
        "A-4,S-4,Book,on loan,ada,hill",
        "A-5,S-0,Book,in_stock,,hill",
        "A-6,S-6,Book,in_stock,,hill,red",
        "A-7,S-7,Book,in_stock,,hill",
        "A-7,S-8,Book,in_stock,,hill",
    )

    assert (report["read"], report["new"], report["refused"]) == (8, 1, 7)
    assert report["refusals"] == [
        {"row": 3, "column": "status", "code": "unknown_status"},
        {"row": 4, "column": "holder", "code": "not_an_id"},
        {"row": 5, "column": "status", "code": "unknown_status"},
        {"row": 6, "column": "serial", "code": "of_another_device"},
        {"row": 7, "column": None, "code": "wrong_cell_count"},
        {"row": 8, "column": "assetTag", "code": "duplicate"},
        {"row": 9, "column": "assetTag", "code": "duplicate"},
    ]
    assert report["refusedByReason"][0] == {
        "code": "unknown_status",
        "column": "status",
        "count": 2,
        "firstRow": 3,
    }
    assert "ada@" not in str(report)
    assert sorted(await world.assets(program)) == ["A-0", "A-1"]


async def test_a_broken_file_is_refused_whole_and_nothing_is_written(world):
    program = world.start()
    cases = [
        (b"", 422, "body", "empty"),
        (b"name,age\nada,9\n", 422, "assetTag", "missing_column"),
        (f"{HEADER}\nA-1,\xe9".encode("latin-1"), 422, "body", "not_utf8"),
        ("\n".join([HEADER, *["A-1,S-1"] * 9]).encode(), 422, "body", "ragged"),
        (f"{HEADER}\nA-1,S-1,Book,in_stock,Ada L,hill".encode(), 422, "body", "no_good_row"),
        (f'{HEADER}\nA-1,"S-1'.encode(), 422, "body", "malformed_csv"),
        (b"x" * 60_001, 413, "body", "at most 60000 bytes"),
    ]

    for body, status, field, message in cases:
        answer = await world.post_file(program, body)

        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["field"] == field
        assert answer.json()["errors"][0]["message"] == message
        assert answer.json()["code"] == ("too_large" if status == 413 else "invalid_inventory")
        assert "Ada" not in answer.text
    assert await world.assets(program) == {}
    assert await world.told("assets") == []


async def test_only_operators_of_the_district_may_bring_a_file_and_a_dry_run_writes_nothing(world):
    program = world.start()
    body = f"{HEADER}\nA-1,S-1,Book,assigned,ada,hill\n".encode()

    viewer = await world.post_file(program, body, role="viewer")
    elsewhere = await world.post_file(program, body, districts=["south"])
    dry = await world.post_file(program, body, query="&dryRun=true")

    assert (viewer.status_code, elsewhere.status_code, dry.status_code) == (403, 404, 200)
    assert (dry.json()["dryRun"], dry.json()["new"], dry.json()["unknownHolders"]) == (True, 1, 1)
    assert await world.assets(program) == {}
    assert await world.told("assets") == []
    await world.upload(program, "A-1,S-1,Book,assigned,ada,hill")
    (found,) = (await world.assets(program)).values()
    other = await world.page(program, f"/assets/{found['assetId']}", districts=["south"])
    assert other.status_code == 404
    assert (await world.page(program, "/assets?state=gone")).status_code == 422


async def test_a_holder_nobody_knows_is_kept_counted_and_known_once_the_person_arrives(world, say):
    program = world.start()

    report = await world.upload(program, "A-1,S-1,Book,assigned,ada,hill")
    before = (await world.assets(program))["A-1"]
    await world.tell(say.state("ada", school_id="dale"))
    known = await eventually(lambda: _known(world, program))

    assert report["unknownHolders"] == 1
    assert (before["holder"], before["holderKnown"]) == ("ada", False)
    assert (known["holderSchool"], known["site"]) == ("dale", "hill")
    assert (await world.upload(program, "A-1,S-1,Book,assigned,ada,hill"))["unknownHolders"] == 0


async def test_a_serial_number_that_a_refused_row_keeps_is_given_to_nobody_else(world):
    program = world.start()
    rows = ("A-1,S-1,Book,in_stock,,hill", "A-2,S-2,Book,in_stock,,hill")
    await world.upload(program, *rows, "A-3,S-3,Book,in_stock,,hill")

    # A-3 is not in the file, so A-2 stays as it is, and so does A-1.
    report = await world.upload(
        program,
        "A-1,S-2,Book,in_stock,,hill",
        "A-2,S-3,Book,in_stock,,hill",
        "A-4,S-4,Book,in_stock,,hill",
    )

    assert [(one["row"], one["code"]) for one in report["refusals"]] == [
        (2, "of_another_device"),
        (3, "of_another_device"),
    ]
    found = await world.assets(program)
    assert {tag: asset["serial"] for tag, asset in found.items()} == {
        f"A-{n}": f"S-{n}" for n in range(1, 5)
    }


async def test_serial_numbers_may_change_places_within_one_file(world):
    program = world.start()
    await world.upload(program, "A-1,S-1,Book,in_stock,,hill", "A-2,S-2,Book,in_stock,,hill")

    report = await world.upload(
        program, "A-1,S-2,Book,in_stock,,hill", "A-2,S-1,Book,in_stock,,hill"
    )

    assert (report["changed"], report["refused"]) == (2, 0)
    found = await world.assets(program)
    assert {tag: asset["serial"] for tag, asset in found.items()} == {"A-1": "S-2", "A-2": "S-1"}


@pytest.mark.parametrize(
    ("failpoint", "stored"),
    [("tickets.import.before_commit", []), ("tickets.import.after_commit", ["A-1", "A-2"])],
)
async def test_a_file_is_one_transaction_whatever_kills_the_service(
    world, tmp_path, failpoint, stored
):
    rows = ["A-1,S-1,Book,assigned,ada,hill", "A-2,S-2,Book,in_stock,,hill"]
    marker = tmp_path / "was-hit"
    doomed = world.start_ready_doomed(failpoint, marker)

    cut = await world.cut_off(lambda: world.upload(doomed, *rows))
    program = world.start()

    assert cut
    assert marker.exists()
    assert sorted(await world.assets(program)) == stored
    report = await world.upload(program, *rows)
    assert report["new"] == 2 - len(stored)
    kinds = [kind for kind, _ in await world.told("assets")]
    assert kinds == ["asset.registered", "asset.assigned", "asset.registered"]


async def _known(world, program):
    asset = (await world.assets(program))["A-1"]
    return asset if asset["holderKnown"] else None


async def test_a_token_of_every_district_registers_nothing_in_one_nobody_told_of(world, say):
    program = world.start()
    body = f"{HEADER}\nA-1,S-1,Book,in_stock,,hill".encode()

    refused = await world.post_file(program, body, district="nroth", districts="*")

    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_district")
    assert refused.json()["errors"][0]["field"] == "district"
    assert await world.rows("SELECT 1 FROM ticket_events.device") == []
    # A desk is configured for the first, its token names the second, the roster tells of the third.
    configured = await world.post_file(program, body, districts="*")
    named = await world.post_file(program, body, district="south", districts=["south"])
    assert (configured.status_code, named.status_code) == (200, 200)
    await world.tell(say.joined("ada", district="west"))
    await eventually(lambda: _taken(world, program, body, "west"))


async def _taken(world, program, body, district):
    answer = await world.post_file(program, body, district=district, districts="*")
    return answer.status_code == 200
