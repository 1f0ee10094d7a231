"""Where is it? Steps of a delivery, copies of a person; ids and counts only."""

from tests.support.ingest_service import Ingest, token
from tests.support.ingesting import district, user


async def steps(ingest: Ingest, correlation: str, districts: object = "*") -> list[dict]:
    answer = await ingest.http.get(f"/trace/{correlation}", headers=token("viewer", districts))
    assert answer.status_code == 200
    page = answer.json()
    assert (page["service"], page["correlationId"]) == ("sis-ingest", correlation)
    found: list[dict] = page["steps"]
    return found


async def test_a_webhook_is_followed_from_its_acceptance_to_what_it_changed(ingest: Ingest) -> None:
    ids = (await ingest.send("users.upserted", user("u1"))).json()
    await ingest.settled()

    found = await steps(ingest, ids["correlationId"])

    assert [(s["what"], s["count"], s["detail"]) for s in found] == [
        ("delivery.accepted", None, "webhook"),
        ("records.changed", 1, None),
        ("delivery.applied", None, "new"),
    ]
    assert found[0]["ids"] == {"delivery": ids["deliveryId"], "source": "sis"}
    assert found[1]["ids"] == {"user": "u1"}
    assert {s["district"] for s in found} == {"d1"}
    assert await steps(ingest, ids["correlationId"], ["d2"]) == []


async def test_a_late_delivery_is_shown_as_one_that_changed_nothing(ingest: Ingest) -> None:
    # Newer by more than a busy machine takes between two sendings.
    await ingest.send("users.upserted", user("u1"), at=900)
    await ingest.settled()
    late = (await ingest.send("users.upserted", user("u1", given="Old"), at=1)).json()
    await ingest.settled()

    found = await steps(ingest, late["correlationId"])

    assert [(s["what"], s["detail"]) for s in found] == [
        ("delivery.accepted", "webhook"), ("delivery.applied", "stale"),
    ]  # fmt: skip


async def test_a_file_is_followed_with_its_counts(ingest: Ingest) -> None:
    report = await ingest.load(district())
    correlation = await ingest.value("SELECT correlation_id FROM sis_ingest.run")

    found = await steps(ingest, correlation)

    whats = [(s["what"], s["count"]) for s in found]
    assert whats[:2] == [("delivery.accepted", None), ("run.accepted", None)]
    assert whats[-1] == ("run.completed", 9)
    assert found[-1]["ids"]["run"] == report["runId"]
    changed = {
        (entity, s["count"]) for s in found if s["what"] == "records.changed" for entity in s["ids"]
    }
    assert changed == {
        ("org", 2), ("academicSession", 1), ("course", 1), ("class", 1), ("user", 2),
        ("enrollment", 2),
    }  # fmt: skip


async def test_every_copy_of_a_person_says_where_and_since_which_delivery(ingest: Ingest) -> None:
    ids = (await ingest.send("users.upserted", {**user("u1"), "identifier": "7"})).json()
    await ingest.settled()
    other = {**user("x1"), "identifier": "7"}
    second = (await ingest.send("users.upserted", other, source="sis-2")).json()
    born = {"sourcedId": "u1", "status": "active", "birthDate": "2015-03-04"}
    third = (await ingest.send("demographics.upserted", born)).json()
    await ingest.settled()

    page = (await ingest.http.get("/trace/people/u1", headers=token("viewer"))).json()

    assert [
        (c["kind"], c["where"], c["id"], c["state"], c["correlationId"], c["detail"])
        for c in page["copies"]
    ] == [
        ("source_record", "sis", "u1", "active", ids["correlationId"], "first_outside_id"),
        ("source_demographics", "sis", "u1", "active", third["correlationId"], "first_outside_id"),
        ("source_record", "sis-2", "x1", "active", second["correlationId"], "same_local_id"),
        ("resolved_record", "resolved", "u1", "active", ids["correlationId"], None),
        ("resolved_demographics", "resolved", "u1", "active", third["correlationId"], None),
    ]
    assert "2015" not in str(page)
    assert "Ada" not in str(page)
    elsewhere = await ingest.http.get("/trace/people/u1", headers=token("viewer", ["d2"]))
    assert elsewhere.json()["copies"] == []
