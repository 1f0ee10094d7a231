"""Webhooks through the door of a running service: what is kept, told, and refused."""

import asyncio
from datetime import timedelta

import orjson
import pytest

from tests.support.ingesting import OTHER_SECRET, enrollment, envelope, signed, user
from tests.support.sis_process import WEBHOOK_LIMIT, Sis

NOTHING = {
    "delivery": 0,
    "source_record": 0,
    "crosswalk": 0,
    "resolved_record": 0,
    "snapshot_row": 0,
}
SECRET_NAME = "Zaphod-Unmistakable"


async def test_a_signed_webhook_is_kept_before_the_answer_and_told_under_its_ids(sis: Sis) -> None:
    answer = await sis.send(envelope("users.upserted", user("u1"), at=sis.now()), webhook_id="m1")

    (kept,) = await sis.rows(
        "SELECT delivery_id::text, correlation_id, external_id, kind FROM sis_ingest.delivery"
        " WHERE district_id = $1",
        sis.district,
    )
    assert answer.status_code == 202
    assert answer.json() == {
        "deliveryId": kept["delivery_id"],
        "correlationId": kept["correlation_id"],
    }
    assert (kept["external_id"], kept["kind"]) == ("m1", "webhook")

    await sis.applied()
    (told,) = await sis.events()
    assert (told["type"], told["origin"]) == ("user.upserted", "webhook")
    assert told["correlation"] == kept["correlation_id"]
    assert told["data"]["record"]["sourcedId"] == "u1"
    assert told["data"]["changed"] == ["enabledUser", "familyName", "givenName", "roles"]
    (received,) = await sis.events("sis.runs")
    assert received["type"] == "change.received"
    assert received["data"]["deliveryId"] == kept["delivery_id"]
    assert received["data"]["verified"] == "hmac"


async def test_a_correlation_id_brought_along_is_kept(sis: Sis) -> None:
    body = envelope("users.upserted", user("u1"), at=sis.now())
    headers = signed(body, webhook_id="m1", at=sis.now())

    answer = await sis.post(body, {**headers, "x-correlation-id": "from-the-sis"})

    assert answer.json()["correlationId"] == "from-the-sis"


async def test_the_same_webhook_again_gets_the_first_ids_and_changes_nothing(sis: Sis) -> None:
    at = sis.now()
    body = envelope("users.upserted", user("u1"), at=at)
    first = await sis.send(body, webhook_id="m1")
    await sis.applied()

    again = [await sis.send(body, webhook_id="m1") for _ in range(3)]
    other = await sis.send(envelope("users.upserted", user("u2"), at=at), webhook_id="m1")

    assert [a.status_code for a in (*again, other)] == [202] * 4
    assert all(a.json() == first.json() for a in (*again, other))
    await sis.applied()
    assert (await sis.counts())["delivery"] == 1
    assert await sis.told() == ["user.upserted"]
    assert list(await sis.resolved()) == ["u1"]


async def test_the_same_webhook_at_the_same_time_is_kept_once(sis: Sis) -> None:
    body = envelope("users.upserted", user("u1"), at=sis.now())

    answers = await asyncio.gather(*(sis.send(body, webhook_id="m1") for _ in range(8)))

    assert len({a.text for a in answers}) == 1
    await sis.applied()
    assert (await sis.counts())["delivery"] == 1
    assert await sis.told() == ["user.upserted"]


async def test_either_of_two_secrets_may_sign(sis: Sis) -> None:
    body = envelope("users.upserted", user("u1"), at=sis.now())

    answer = await sis.send(body, secret=OTHER_SECRET)

    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("spoil", "field", "reason"),
    [
        ({"webhook-signature": "v1,bm9wZQ=="}, "webhook-signature", "signature_mismatch"),
        ({"webhook-signature": ""}, "webhook-signature", "header_missing"),
        ({"webhook-id": "other"}, "webhook-signature", "signature_mismatch"),
        ({"webhook-timestamp": "soon"}, "webhook-timestamp", "header_malformed"),
    ],
)
async def test_who_cannot_be_proved_is_refused_and_nothing_is_kept(
    sis: Sis, spoil: dict[str, str], field: str, reason: str
) -> None:
    body = envelope("users.upserted", user("u1"), at=sis.now())

    answer = await sis.post(body, {**signed(body, webhook_id="m1", at=sis.now()), **spoil})

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [{"field": field, "message": reason, "location": None}]
    assert await sis.counts() == NOTHING


async def test_an_unsigned_webhook_is_refused(sis: Sis) -> None:
    answer = await sis.post(envelope("users.upserted", user("u1"), at=sis.now()), {})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (401, "webhook-id")
    assert await sis.counts() == NOTHING


async def test_an_old_signature_is_refused(sis: Sis) -> None:
    body = envelope("users.upserted", user("u1"), at=sis.now())

    answer = await sis.send(body, signed_at=sis.now() - timedelta(minutes=6))

    assert answer.status_code == 401
    assert answer.json()["errors"][0]["message"] == "timestamp_outside_window"
    assert await sis.counts() == NOTHING


async def test_a_body_changed_on_the_way_is_refused(sis: Sis) -> None:
    body = envelope("users.upserted", user("u1"), at=sis.now())
    headers = signed(body, webhook_id="m1", at=sis.now())

    answer = await sis.post(body.replace(b"Ada", b"Eve"), headers)

    assert answer.status_code == 401
    assert await sis.counts() == NOTHING


@pytest.mark.parametrize("source", ["nobody", "files-only"])
async def test_a_source_that_takes_no_webhooks_is_unknown(sis: Sis, source: str) -> None:
    sis.source = source

    answer = await sis.send(envelope("users.upserted", user("u1"), at=sis.now()))

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_source")
    assert await sis.counts() == NOTHING


async def test_a_source_that_signs_has_no_door_for_tokens(sis: Sis) -> None:
    body = envelope("users.upserted", user("u1"), at=sis.now())
    sis.source = f"{sis.source}/an-unguessable-token"

    answer = await sis.send(body)

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_source")
    assert await sis.counts() == NOTHING


async def test_a_body_over_the_limit_is_refused_declared_or_not(sis: Sis) -> None:
    body = envelope("users.upserted", {**user("u1"), "phone": "1" * WEBHOOK_LIMIT}, at=sis.now())
    headers = signed(body, webhook_id="m1", at=sis.now())

    async def pieces():
        for start in range(0, len(body), 4096):
            yield body[start : start + 4096]

    declared = await sis.post(body, headers)
    chunked = await sis.post(pieces(), headers)

    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert await sis.counts() == NOTHING


def changed_user(**fields) -> dict:
    """A user with a telling name and some fields replaced; None leaves one out."""
    found = {**user("u1", given=SECRET_NAME), **fields}
    return {name: value for name, value in found.items() if value is not None}


def deep_user(sis: Sis, depth: int) -> bytes:
    """A webhook whose metadata are objects in objects; spelled out, as orjson stops at 254."""
    whole = envelope("users.upserted", {**user("u1"), "metadata": "HERE"}, at=sis.now())
    return whole.replace(b'"HERE"', b'{"a":' * depth + b"{}" + b"}" * depth)


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("users.upserted", changed_user(familyName=None), "data.familyName"),
        ("users.upserted", changed_user(sourcedId=None), "data.sourcedId"),
        ("users.upserted", changed_user(sourcedId="  "), "data.sourcedId"),
        ("users.upserted", changed_user(roles=[]), "data.roles"),
        ("users.upserted", changed_user(enabledUser=SECRET_NAME), "data.enabledUser"),
        ("users.upserted", changed_user(givenName=SECRET_NAME + "\x00"), "data.givenName"),
        ("users.upserted", changed_user(metadata={SECRET_NAME: "\x00"}), "data.metadata"),
        ("enrollments.upserted", changed_user(), "data.user"),
        ("users.deleted", {"givenName": SECRET_NAME}, "data.sourcedId"),
        ("wizards.upserted", changed_user(), "type"),
        ("users.vanished", changed_user(), "type"),
    ],
)
async def test_what_a_source_may_not_say_names_the_field_and_never_a_value(
    sis: Sis, kind: str, data: dict, field: str
) -> None:
    answer = await sis.send(envelope(kind, data, at=sis.now()))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert SECRET_NAME not in answer.text
    assert await sis.counts() == NOTHING


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"occurredAt": None}, "occurredAt"),
        ({"occurredAt": "2026-09-01T08:00:00"}, "occurredAt"),
        ({"occurredAt": "9999-12-31T23:59:59Z"}, "occurredAt"),
        ({"occurredAt": "0001-01-01T00:00:00+05:00"}, "occurredAt"),
        ({"occurredAt": "9999-12-31T23:59:59-05:00"}, "occurredAt"),
        ({"version": -1}, "version"),
        ({"version": 2**63}, "version"),
        ({"version": "7"}, "version"),
        ({"data": "text"}, "data"),
    ],
)
async def test_a_bad_envelope_names_the_field(sis: Sis, change: dict, field: str) -> None:
    whole = {
        "type": "users.upserted",
        "occurredAt": sis.now().isoformat(),
        "data": user("u1"),
        **change,
    }

    answer = await sis.send(orjson.dumps({k: v for k, v in whole.items() if v is not None}))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert await sis.counts() == NOTHING


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"null", b'"text"'])
async def test_what_is_no_json_object_is_refused(sis: Sis, body: bytes) -> None:
    answer = await sis.send(body)

    assert answer.status_code == 400
    assert await sis.counts() == NOTHING


@pytest.mark.parametrize("depth", [60, 250, 300, 900])
async def test_an_object_nested_far_too_deep_is_refused_at_the_door(sis: Sis, depth: int) -> None:
    answer = await sis.send(deep_user(sis, depth))

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "nested_too_deeply"
    assert await sis.counts() == NOTHING


async def test_an_object_nested_a_little_is_taken_whole(sis: Sis) -> None:
    answer = await sis.send(deep_user(sis, 40))
    await sis.applied()

    assert answer.status_code == 202
    assert list(await sis.resolved()) == ["u1"]


async def test_the_newest_version_wins_whatever_the_order(sis: Sis) -> None:
    at = sis.now()
    for version in (1, 3, 2, 3):
        data = user("u1", given=f"Ada {version}")
        await sis.tell("users.upserted", data, at=at, version=version)

    assert (await sis.resolved())["u1"]["givenName"] == "Ada 3"
    assert await sis.told() == ["user.upserted"] * 2


async def test_without_versions_the_later_one_wins_and_a_tie_changes_nothing(sis: Sis) -> None:
    at = sis.now()
    await sis.tell("users.upserted", user("u1", given="Now"), at=at)
    await sis.tell("users.upserted", user("u1", given="Before"), at=at - timedelta(seconds=1))
    await sis.tell("users.upserted", user("u1", given="Tie"), at=at)

    assert (await sis.resolved())["u1"]["givenName"] == "Now"
    assert await sis.told() == ["user.upserted"]
    ends = await sis.rows(
        "SELECT reason FROM sis_ingest.delivery WHERE district_id = $1 ORDER BY seq", sis.district
    )
    assert [end["reason"] for end in ends] == ["new", "stale", "stale"]


async def test_a_newer_webhook_that_says_the_same_tells_nothing(sis: Sis) -> None:
    at = sis.now()
    await sis.tell("users.upserted", user("u1"), at=at)
    stamped = {**user("u1"), "dateLastModified": "2026-09-02T00:00:00Z", "status": "active"}
    await sis.tell("users.upserted", stamped, at=at + timedelta(seconds=1))

    assert await sis.told() == ["user.upserted"]


async def test_a_change_names_its_fields_and_a_deletion_is_told_once(sis: Sis) -> None:
    at = sis.now() - timedelta(minutes=1)
    await sis.tell("users.upserted", user("u1"), at=at)
    await sis.tell("users.upserted", user("u1", given="Bea"), at=at + timedelta(seconds=1))
    for seconds in (2, 3):
        await sis.tell("users.deleted", {"sourcedId": "u1"}, at=at + timedelta(seconds=seconds))
    await sis.tell("users.deleted", {"sourcedId": "stranger"}, at=at)
    await sis.tell("users.upserted", user("u1", given="Bea"), at=at + timedelta(seconds=4))

    events = await sis.events()
    assert [e["type"] for e in events] == [
        "user.upserted",
        "user.upserted",
        "user.tobedeleted",
        "user.upserted",
    ]
    assert events[1]["data"]["changed"] == ["givenName"]
    assert events[2]["data"]["sourcedId"] == "u1"


async def test_the_first_valid_id_is_kept_for_life_and_others_are_minted(sis: Sis) -> None:
    await sis.tell("users.upserted", user(" 4711 "))
    await sis.tell("users.upserted", user("Ümlaut 1"))
    await sis.tell("users.upserted", user("Ümlaut 1", given="Bea"))

    ids = {row["givenName"]: ours for ours, row in (await sis.resolved()).items()}
    assert ids["Ada"] == "4711"
    assert ids["Bea"] not in ("", "Ümlaut 1")
    assert len(ids) == 2


async def test_a_reference_gets_its_id_before_its_target_comes(sis: Sis) -> None:
    await sis.tell("enrollments.upserted", enrollment("e1", user_id="Kid 1"))
    (link,) = (await sis.resolved("enrollment")).values()
    await sis.tell("users.upserted", user("Kid 1"))

    assert list(await sis.resolved()) == [link["user"]["sourcedId"]]
    assert link["class"]["sourcedId"] == "class-1"
    assert await sis.told() == ["enrollment.upserted", "user.upserted"]


async def test_demographics_carry_the_id_of_their_user(sis: Sis) -> None:
    await sis.tell("demographics.upserted", {"sourcedId": "Kid 1", "sex": "female"})
    await sis.tell("users.upserted", user("Kid 1"))

    assert list(await sis.resolved()) == list(await sis.resolved("demographics"))


async def test_webhooks_sent_together_are_all_applied_in_their_order(sis: Sis) -> None:
    at = sis.now() - timedelta(minutes=1)
    for number in range(40):
        answer = await sis.send(
            envelope(
                "users.upserted",
                user(f"u{number % 4}", given=f"Ada {number}"),
                at=at + timedelta(seconds=number),
            )
        )
        assert answer.status_code == 202
    await sis.applied()

    names = {ours: row["givenName"] for ours, row in (await sis.resolved()).items()}
    assert names == {"u0": "Ada 36", "u1": "Ada 37", "u2": "Ada 38", "u3": "Ada 39"}


async def test_another_district_with_the_same_ids_is_another_truth(sis: Sis) -> None:
    await sis.tell("users.upserted", user("u1", given="Here"))
    here = (sis.source, sis.district)
    sis.source, sis.district = "s119", "d119"
    await sis.tell("users.upserted", user("u1", given="There"))

    assert (await sis.resolved())["u1"]["givenName"] == "There"
    sis.source, sis.district = here
    assert (await sis.resolved())["u1"]["givenName"] == "Here"
