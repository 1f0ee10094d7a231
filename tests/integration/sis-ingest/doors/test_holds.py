"""Guards and holds through the doors: what goes, what waits, and how a person decides."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.holding import (
    decide,
    holds,
    one_class,
    only_hold,
    open_holds,
    outcomes,
    released,
    roster,
)
from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import (
    ORGS,
    csv,
    district,
    keyed_row,
    org_row,
    user,
)

# ADR 0012: of users max(25, 5 %) may go in 24 hours, of enrollments max(50, 20 %).
ALLOWED = 25


async def breakers(ingest: Ingest) -> list[str]:
    return [
        event["type"].removeprefix("safety.breaker.").removesuffix(".v1")
        for event in await ingest.events("k12.safety.breaker%")
    ]


async def approved_elsewhere(ingest: Ingest, *, times: int) -> None:
    """Older holds of another district and without items, approved."""
    await ingest.pool.execute(
        "INSERT INTO sis_ingest.hold SELECT 'd2', gen_random_uuid(), 'elsewhere', 'user', 'remove',"
        " 'approved', 0, 0, 0, 0, '', '{}', 1, 'epoch', 'epoch', gen_random_uuid(), 'c', 'webhook', NULL,"
        " '{}' FROM generate_series(1, $1)",
        times,
    )


@asynccontextmanager
async def busy_elsewhere(ingest: Ingest) -> AsyncIterator[None]:
    """What was approved first is of a district that is locked, so no later hold is released until
    each of them has waited for its lock in vain, 4 seconds long.
    """
    await approved_elsewhere(ingest, times=5)
    async with ingest.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('sis_ingest/d2', 0))"
        )
        yield


async def test_a_shrunken_file_removes_nobody_and_the_rest_of_it_goes_on(ingest: Ingest) -> None:
    await ingest.load(roster(*range(100)))

    report = await ingest.load(roster(*range(10, 70), 100, given="Bea"))

    names = await ingest.people()
    assert len(names) == 101
    assert (names["u9"], names["u10"], names["u100"]) == ("Ada", "Bea", "Bea")
    assert report["removals"]["byEntity"]["user"] == {
        "missing": 40, "applied": 0, "held": 40, "skipped": 0,
    }  # fmt: skip
    hold = await only_hold(ingest)
    assert report["holds"] == [hold["holdId"]]
    assert hold["runId"] == report["runId"]
    assert hold["correlationId"] == report["correlationId"]
    # Judged before anything of the file is applied: 100 users stood.
    assert {name: hold[name] for name in ("count", "population", "limit", "percent")} == {
        "count": 40, "population": 100, "limit": 25, "percent": 40.0,
    }  # fmt: skip
    assert (hold["state"], hold["approvals"], hold["approvalsNeeded"]) == ("open", [], 2)
    assert len(hold["sample"]) == 20
    (tripped,) = await ingest.events("k12.safety.breaker%")
    assert tripped["type"] == "safety.breaker.tripped.v1"
    assert tripped["data"]["planHash"] == hold["itemsHash"]
    assert tripped["correlation"] == report["correlationId"]
    ready = (await ingest.http.get("/readyz")).json()
    assert "holds" in str(ready)


async def test_what_is_approved_is_done_under_the_cause_that_was_held(ingest: Ingest) -> None:
    await ingest.load(roster(*range(200)))
    await ingest.load(roster(*range(30, 200)))
    hold = await only_hold(ingest)
    before = len(await ingest.events())

    answer = await decide(ingest, hold, "approve", itemsHash=hold["itemsHash"])
    page = await released(ingest, hold)

    assert (answer.status_code, answer.json()["state"]) == (200, "approved")
    assert (page["released"], page["count"], page["approvals"]) == (30, 30, ["test"])
    assert set(await ingest.people()) == {f"u{n}" for n in range(30, 200)}
    events = (await ingest.events())[before:]
    assert {(e["type"], e["data"]["reason"]) for e in events} == {
        ("roster.user.tobedeleted.v1", "not_in_snapshot")
    }
    assert {e["correlation"] for e in events} == {hold["correlationId"]}
    assert await breakers(ingest) == ["tripped", "approved"]
    again = await decide(ingest, hold, "approve", itemsHash=hold["itemsHash"])
    assert (again.status_code, again.json()["code"]) == (409, "ended")


async def test_an_approval_counts_for_what_its_giver_saw_alone(ingest: Ingest) -> None:
    await ingest.load(roster(*range(200)))
    await ingest.load(roster(*range(30, 200)))
    seen = await only_hold(ingest)
    await ingest.load(roster(*range(60, 200)))
    now = await only_hold(ingest)

    answer = await decide(ingest, seen, "approve", itemsHash=seen["itemsHash"])

    assert now["holdId"] == seen["holdId"]
    assert (now["count"], now["itemsHash"] != seen["itemsHash"]) == (60, True)
    assert (answer.status_code, answer.json()["code"]) == (409, "hash_differs")
    assert len(await ingest.people()) == 200


async def test_above_a_quarter_two_people_must_approve(ingest: Ingest) -> None:
    await ingest.load(roster(*range(100)))
    await ingest.load(roster(*range(30, 100)))
    hold = await only_hold(ingest)

    first = await decide(ingest, hold, "approve", who="ada", itemsHash=hold["itemsHash"])
    same = await decide(ingest, hold, "approve", who="ada", itemsHash=hold["itemsHash"])
    assert (first.json()["state"], len(await ingest.people())) == ("open", 100)
    second = await decide(ingest, hold, "approve", who="bea", itemsHash=hold["itemsHash"])
    page = await released(ingest, hold)

    assert (same.status_code, same.json()["code"]) == (409, "same_approver")
    assert second.json()["state"] == "approved"
    assert page["approvals"] == ["ada", "bea"]
    assert len(await ingest.people()) == 70
    (approved,) = await ingest.events("k12.safety.breaker.approved%")
    assert (approved["data"]["approver"], approved["data"]["secondApprover"]) == ("ada", "bea")


async def test_what_is_rejected_is_not_done(ingest: Ingest) -> None:
    await ingest.load(roster(*range(100)))
    await ingest.load(roster(*range(30, 100)))
    hold = await only_hold(ingest)

    answer = await decide(ingest, hold, "reject", reason="partial_export")

    assert (answer.json()["state"], answer.json()["reason"]) == ("rejected", "partial_export")
    assert len(await ingest.people()) == 100
    assert await ingest.value("SELECT count(*) FROM sis_ingest.hold_item") == 0
    assert await breakers(ingest) == ["tripped", "rejected"]
    assert (await decide(ingest, hold, "reject")).json()["code"] == "ended"


async def test_the_same_file_the_next_night_waits_in_the_same_hold_and_says_nothing(
    ingest: Ingest,
) -> None:
    await ingest.load(roster(*range(100)))
    await ingest.load(roster(*range(30, 100)))
    hold = await only_hold(ingest)
    before = await ingest.events()

    report = await ingest.load(roster(*range(30, 100)))

    again = await only_hold(ingest)
    assert (again["holdId"], again["itemsHash"]) == (hold["holdId"], hold["itemsHash"])
    assert again["expiresAt"] == hold["expiresAt"]
    assert (report["reason"], report["removals"]["held"]) == ("held", 30)
    assert await breakers(ingest) == ["tripped"]
    assert await ingest.events() == before


async def test_what_waits_holds_up_nothing_that_comes_later(ingest: Ingest) -> None:
    await ingest.load(roster(*range(200)))
    await ingest.load(roster(*range(30, 200)))

    report = await ingest.load(roster(*range(33, 200)))

    assert (report["removals"]["applied"], report["removals"]["held"]) == (3, 30)
    assert len(await ingest.people()) == 197
    assert (await only_hold(ingest))["count"] == 30


async def test_who_comes_back_leaves_the_hold_and_an_empty_hold_ends(ingest: Ingest) -> None:
    await ingest.load(roster(*range(100)))
    await ingest.load(roster(*range(30, 100)))
    await ingest.send("users.upserted", user("u0"), at=3700)
    await ingest.settled()
    assert (await only_hold(ingest))["count"] == 29

    await ingest.load(roster(*range(100)))

    assert (await holds(ingest))["holds"] == []
    (ended,) = (await holds(ingest, "?state=expired"))["holds"]
    assert (ended["count"], ended["reason"]) == (0, "nothing_held")
    assert len(await ingest.people()) == 100


async def test_whom_a_newer_webhook_named_is_not_removed_after_the_approval(
    ingest: Ingest,
) -> None:
    await ingest.load(roster(*range(200)))
    await ingest.load(roster(*range(30, 200)))
    hold = await only_hold(ingest)
    await ingest.pool.execute(
        "UPDATE sis_ingest.source_record SET occurred_at = now() + interval '1 hour'"
        " WHERE external_id = 'u7' AND entity = 'user'"
    )

    await decide(ingest, hold, "approve", itemsHash=hold["itemsHash"])

    assert (await released(ingest, hold))["released"] == 29
    assert "u7" in await ingest.people()


async def test_whom_a_newer_file_names_is_not_removed_though_it_was_approved(
    ingest: Ingest,
) -> None:
    await ingest.load(roster(*range(200)))
    await ingest.load(roster(*range(30, 200)))
    hold = await only_hold(ingest)
    async with busy_elsewhere(ingest):
        await decide(ingest, hold, "approve", itemsHash=hold["itemsHash"])

        await ingest.load(roster(*range(200)))

    assert (await released(ingest, hold))["released"] == 0
    assert len(await ingest.people()) == 200


async def test_a_hold_that_always_fails_keeps_no_later_one_waiting(ingest: Ingest) -> None:
    await ingest.load(roster(*range(200)))
    await ingest.load(roster(*range(30, 200)))
    hold = await only_hold(ingest)
    await ingest.pool.execute(
        "CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$"
    )
    await ingest.pool.execute(
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON sis_ingest.hold FOR EACH ROW"
        " WHEN (NEW.district_id = 'd2' AND NEW.done_at IS NOT NULL) EXECUTE FUNCTION refuse_it()"
    )
    await approved_elsewhere(ingest, times=1)

    await decide(ingest, hold, "approve", itemsHash=hold["itemsHash"])

    assert (await released(ingest, hold))["released"] == 30
    failing = await ingest.value(
        "SELECT count(*) FROM sis_ingest.hold WHERE district_id = 'd2' AND done_at IS NULL"
    )
    assert failing == 1


async def test_webhooks_spend_from_the_same_budget_and_the_rest_of_them_waits(
    ingest: Ingest,
) -> None:
    await ingest.load(roster(*range(100)))
    await ingest.load(roster(*range(20, 100)))
    for n in range(20, 30):
        await ingest.send("users.deleted", {"sourcedId": f"u{n}"}, at=3700 + n)
    await ingest.settled()

    assert len(await ingest.people()) == 100 - ALLOWED
    assert await outcomes(ingest) == Counter(changed=5, held=5)
    hold = await only_hold(ingest)
    assert (hold["count"], hold["runId"], hold["population"]) == (5, None, 100)
    assert hold["sample"] == ["u25", "u26", "u27", "u28", "u29"]

    # A file that lacks them does not get them through either, nor five others.
    report = await ingest.load(roster(*range(35, 100)))
    assert report["removals"]["held"] == 10
    assert len(await ingest.people()) == 100 - ALLOWED


async def test_a_deletion_that_waits_is_overtaken_by_a_newer_word(ingest: Ingest) -> None:
    await ingest.load(
        district(
            orgs=csv(
                ORGS, org_row("district-1", "district"), org_row("school-1"), org_row("school-2")
            )
        )
    )
    await ingest.send("orgs.deleted", {"sourcedId": "school-2"}, at=3880)
    await ingest.settled()
    assert open_holds(await holds(ingest)) == [("org", "remove", 1)]

    school = {"sourcedId": "school-2", "name": "Two", "type": "school", "identifier": "2"}
    await ingest.send("orgs.upserted", school, at=3650)
    await ingest.settled()
    assert open_holds(await holds(ingest)) == [("org", "remove", 1)]

    await ingest.send("orgs.upserted", school, at=3881)
    await ingest.settled()
    assert (await holds(ingest))["holds"] == []


async def test_a_file_of_nothing_but_strangers_waits_on_both_sides(ingest: Ingest) -> None:
    await ingest.load(roster(*range(150)))

    report = await ingest.load(roster(*range(1000, 1150)))

    assert sorted(open_holds(await holds(ingest))) == [
        ("user", "add", 150),
        ("user", "remove", 150),
    ]
    assert set(await ingest.people()) == {f"u{n}" for n in range(150)}
    assert report["additions"]["byEntity"]["user"] == {"applied": 0, "held": 150}
    assert await breakers(ingest) == ["tripped", "tripped"]


async def test_who_was_deleted_before_they_were_ever_there_is_an_addition(ingest: Ingest) -> None:
    await ingest.load(roster(*range(150)))
    for n in range(1000, 1130):
        await ingest.send("users.deleted", {"sourcedId": f"u{n}"}, at=3700)
    await ingest.settled()

    # Of users max(100, 20 %) may be added in 24 hours.
    for n in range(1000, 1120):
        await ingest.send("users.upserted", user(f"u{n}"), at=3701)
    await ingest.settled()
    report = await ingest.load(roster(*range(150), *range(1000, 1100), *range(1120, 1130)))

    assert len(await ingest.people()) == 250
    assert report["additions"]["byEntity"]["user"] == {"applied": 0, "held": 10}


async def test_who_comes_back_after_a_deletion_is_no_addition(ingest: Ingest) -> None:
    await ingest.load(roster(*range(100)))
    await ingest.load(roster(*range(25, 100)))

    report = await ingest.load(roster(*range(100)))

    assert report["additions"]["byEntity"]["user"] == {"applied": 0, "held": 0}
    assert (
        await ingest.value("SELECT sum(count) FROM sis_ingest.spent WHERE operation = 'add'")
        is None
    )
    assert len(await ingest.people()) == 100


def keyed(prefix: str, *numbers: int) -> bytes:
    """People whose local number stays whatever their id is."""
    rows = [tuple(keyed_row(f"{prefix}{n}", f"no-{n}")) for n in numbers]
    return district(rows, one_class(*range(3)))


async def test_a_re_keyed_district_is_neither_removed_nor_added(ingest: Ingest) -> None:
    await ingest.load(keyed("u", *range(150)))

    report = await ingest.load(keyed("k", *range(150)))

    assert set(await ingest.people()) == {f"u{n}" for n in range(150)}
    assert report["removals"]["byEntity"]["user"] == {
        "missing": 0, "applied": 0, "held": 0, "skipped": 0,
    }  # fmt: skip
    assert report["additions"]["byEntity"]["user"] == {"applied": 0, "held": 0}
    assert report["keyChanges"] == 150
    assert "many_key_changes" in {warning["code"] for warning in report["warnings"]}
    assert (await holds(ingest, "?state=all"))["total"] == 0
    assert await ingest.value("SELECT count(*) FROM sis_ingest.spent") == 0


async def test_a_district_re_keyed_by_webhooks_is_neither_removed_nor_added(
    ingest: Ingest,
) -> None:
    await ingest.load(keyed("u", *range(150)))
    # More than may be removed, and more than may be added, in a day.
    for n in range(130):
        await ingest.send("users.deleted", {"sourcedId": f"u{n}"}, at=3700)
    await ingest.settled()
    assert open_holds(await holds(ingest)) == [("user", "remove", 130 - ALLOWED)]

    for n in range(130):
        again = {**user(f"k{n}"), "identifier": f"no-{n}"}
        await ingest.send("users.upserted", again, at=3701)
    await ingest.settled()

    assert set(await ingest.people()) == {f"u{n}" for n in range(150)}
    assert (await holds(ingest))["holds"] == []
    assert (await outcomes(ingest))["held"] == 130 - ALLOWED


async def test_who_waits_to_be_removed_and_comes_under_a_new_id_is_the_same_person(
    ingest: Ingest,
) -> None:
    await ingest.load(keyed("u", *range(100)))
    await ingest.load(keyed("u", *range(30, 100)))
    hold = await only_hold(ingest)

    await ingest.send("users.upserted", {**user("k0"), "identifier": "no-0"}, at=3700)
    await ingest.settled()

    now = await only_hold(ingest)
    assert (now["count"], now["itemsHash"] != hold["itemsHash"]) == (29, True)
    assert set(await ingest.people()) == {f"u{n}" for n in range(100)}


async def test_a_trace_shows_what_waits_and_what_became_of_it(ingest: Ingest) -> None:
    async def steps(correlation: str) -> list[tuple[str, int | None, str | None]]:
        answer = await ingest.http.get(f"/trace/{correlation}", headers=token("viewer"))
        return [
            (step["what"], step["count"], step["detail"])
            for step in answer.json()["steps"]
            if step["what"].startswith(("hold.", "records."))
        ]

    await ingest.load(roster(*range(200)))
    opened = (await ingest.load(roster(*range(30, 200))))["correlationId"]
    more = await ingest.send("users.deleted", {"sourcedId": "u30"}, at=3700)
    joined = more.json()["correlationId"]
    await ingest.settled()
    for n in range(31, 30 + ALLOWED + 1):
        await ingest.send("users.deleted", {"sourcedId": f"u{n}"}, at=3700)
    await ingest.settled()
    last = await ingest.send("users.deleted", {"sourcedId": "u99"}, at=3700)
    await ingest.settled()
    assert await steps(opened) == [("hold.opened", 32, "user.remove")]
    assert await steps(joined) == [("records.changed", 1, None)]
    waits = [("hold.waits", 1, "user.remove")]
    assert await steps(last.json()["correlationId"]) == waits

    hold = await only_hold(ingest)
    await decide(ingest, hold, "approve", itemsHash=hold["itemsHash"])
    await released(ingest, hold)

    assert await steps(opened) == [
        ("hold.opened", 32, "user.remove"),
        ("records.changed", 30, None),
        ("hold.released", 32, None),
    ]
    assert await steps(last.json()["correlationId"]) == [("records.changed", 1, None)]


async def test_additions_that_were_approved_come_in_whole(ingest: Ingest) -> None:
    await ingest.load(roster(*range(10)))
    await ingest.load(roster(*range(130), given="Bea"))
    hold = await only_hold(ingest)
    assert (hold["operation"], hold["count"], hold["limit"]) == ("add", 120, 100)
    assert set((await ingest.people()).values()) == {"Bea"}

    for who in ("ada", "bea"):
        await decide(ingest, hold, "approve", who=who, itemsHash=hold["itemsHash"])

    assert (await released(ingest, hold))["released"] == 120
    assert len(await ingest.people()) == 130


async def test_a_first_load_may_add_as_it_likes(ingest: Ingest) -> None:
    report = await ingest.load(roster(*range(300)))

    assert report["additions"]["applied"] >= 300
    assert (await holds(ingest))["total"] == 0


async def test_the_door_is_for_approvers_of_the_district(ingest: Ingest) -> None:
    await ingest.load(roster(*range(100)))
    await ingest.load(roster(*range(30, 100)))
    hold = await only_hold(ingest)
    url = f"/holds/{hold['holdId']}"
    body = {"itemsHash": hold["itemsHash"]}

    async def code(headers: dict[str, str], path: str = f"{url}/approve") -> int:
        return (await ingest.http.post(path, json=body, headers=headers)).status_code

    assert await code({}) == 401
    assert await code(token("operator")) == 403
    assert await code(token("approver", ["d2"])) == 404
    assert await code(token("approver"), "/holds/x/approve") == 404
    bad = await ingest.http.post(f"{url}/approve", json={}, headers=token("approver"))
    assert bad.status_code == 422
    foreign = await ingest.http.get("/holds", headers=token("viewer", ["d2"]))
    assert foreign.json() == {"total": 0, "holds": []}
    asked = await ingest.http.get("/holds?district=d1", headers=token("viewer", ["d2"]))
    assert asked.status_code == 404
    assert (await ingest.http.get(url, headers=token("viewer", ["d2"]))).status_code == 404
    assert (await holds(ingest, "?district=d1&limit=1"))["total"] == 1
    assert (await holds(ingest, "?source=sis"))["total"] == 1
    assert await holds(ingest, "?source=files") == {"total": 0, "holds": []}
    assert (await holds(ingest, "?offset=5"))["total"] == 1
