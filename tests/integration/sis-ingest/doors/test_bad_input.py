"""Bad input at both doors of a real process: refused by name, written nowhere, nothing lost beside.

Every case counts the rows of every table of the schema before and after, and ends with a good
delivery that must do its work.
"""

import io
import zipfile
from collections.abc import Mapping
from datetime import timedelta

import orjson
import pytest

from tests.support.ingesting import (
    USERS,
    csv,
    district,
    enrollment_row,
    envelope,
    package,
    signed_bytes,
    user,
    user_row,
)
from tests.support.sis_process import WEBHOOK_LIMIT, Sis, named

RUN_ONLY = {"delivery": 1, "run": 1}


async def rows(sis: Sis) -> dict[str, int]:
    """Rows of every table of the schema, all districts."""
    tables = await sis.rows(
        "SELECT table_name AS name FROM information_schema.tables"
        " WHERE table_schema = 'sis_ingest' AND table_type = 'BASE TABLE'"
    )
    assert {"delivery", "source_record", "crosswalk", "resolved_record"} <= {
        t["name"] for t in tables
    }
    return {
        t["name"]: (await sis.rows(f'SELECT count(*) FROM sis_ingest."{t["name"]}"'))[0]["count"]
        for t in tables
    }


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


async def expect_good(sis: Sis) -> None:
    """A good webhook does its work."""
    await sis.tell("users.upserted", user("good", given="Good"))
    assert (await sis.resolved())["good"]["givenName"] == "Good"


def body_of(**change: object) -> bytes:
    """An envelope with parts replaced; None leaves one out."""
    whole = {"type": "users.upserted", "occurredAt": "2026-09-01T08:00:00Z", "data": user("u1")}
    return orjson.dumps({k: v for k, v in {**whole, **change}.items() if v is not None})


GOOD = body_of()
NO_NAME = {name: value for name, value in user("u1").items() if name != "familyName"}

# case: (body, what is done to the headers, seconds the signature is old, status, field)
WEBHOOKS = {
    "wrong signature": (GOOD, {"webhook-signature": "v1,bm9wZQ=="}, 0, 401, "webhook-signature"),
    "no signature": (GOOD, {"webhook-signature": None}, 0, 401, "webhook-signature"),
    "no id": (GOOD, {"webhook-id": None}, 0, 401, "webhook-id"),
    "old signature": (GOOD, {}, 301, 401, "webhook-timestamp"),
    # The service's clock goes on until it looks: well beyond the window, not on its edge.
    "signature of tomorrow": (GOOD, {}, -3600, 401, "webhook-timestamp"),
    "oversize": (body_of(data={**user("u1"), "phone": "1" * WEBHOOK_LIMIT}), {}, 0, 413, "body"),
    "malformed JSON": (b'{"type": "users.upserted",', {}, 0, 400, "body"),
    "no object": (b"[1]", {}, 0, 400, "body"),
    "not UTF-8": (b'{"type": "\xff"}', {}, 0, 400, "body"),
    "empty": (b"", {}, 0, 400, "body"),
    "unknown type": (body_of(type="wizards.upserted"), {}, 0, 422, "type"),
    "no type": (body_of(type=None), {}, 0, 422, "type"),
    "no time": (body_of(occurredAt=None), {}, 0, 422, "occurredAt"),
    "no data": (body_of(data=None), {}, 0, 422, "data"),
    "missing field": (body_of(data=NO_NAME), {}, 0, 422, "data.familyName"),
    "nobody's deletion": (body_of(type="users.deleted", data={}), {}, 0, 422, "data.sourcedId"),
}


@pytest.mark.parametrize("case", WEBHOOKS)
async def test_a_bad_webhook_is_refused_by_field_and_written_nowhere(sis: Sis, case: str) -> None:
    body, spoilt, age, status, where = WEBHOOKS[case]
    sent = signed_bytes(body, webhook_id="bad", at=sis.now() - timedelta(seconds=age))
    headers: dict[str, str | None] = {**sent, **spoilt}
    before = await rows(sis)

    answer = await sis.post(body, {k: v for k, v in headers.items() if v is not None})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == where
    assert "Byron" not in answer.text
    assert grown(before, await rows(sis)) == {}
    await expect_good(sis)


async def test_an_unknown_source_is_refused_and_written_nowhere(sis: Sis) -> None:
    here, before = sis.source, await rows(sis)
    sis.source = "nobody"
    answer = await sis.send(GOOD)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_source")
    assert grown(before, await rows(sis)) == {}
    sis.source = here
    await expect_good(sis)


async def test_a_replay_is_answered_with_the_first_ids_whatever_its_body(sis: Sis) -> None:
    first = await sis.send(envelope("users.upserted", user("u1"), at=sis.now()), webhook_id="m1")
    await sis.applied()
    before = await rows(sis)

    same = await sis.send(envelope("users.upserted", user("u1"), at=sis.now()), webhook_id="m1")
    other = await sis.send(envelope("users.upserted", user("u2"), at=sis.now()), webhook_id="m1")
    await sis.applied()

    assert [same.json(), other.json()] == [first.json()] * 2
    assert grown(before, await rows(sis)) == {}
    await expect_good(sis)


def bomb() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("users.csv", b"0" * 32 * 1024**2)
    return made.getvalue()


def with_entry(name: str) -> bytes:
    """A good package with one entry more."""
    made = io.BytesIO(district())
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr(name, b"x")
    return made.getvalue()


FILES = {
    "missing file": (district(users=None), ("missing_file", "users.csv", None)),
    "wrong header": (
        district(users=csv(("sourcedId", "who"), ("u1", "x"))),
        ("missing_column", "users.csv", "enabledUser"),
    ),
    "ragged row": (
        district(users=csv(USERS, [*user_row("u1"), "more"])),
        ("ragged_row", "users.csv", None),
    ),
    "path traversal": (with_entry("../users.csv"), ("path_traversal", "../users.csv", None)),
    "folder": (with_entry("more/users.csv"), ("not_flat", "more/users.csv", None)),
    "bomb": (bomb(), ("packed_too_well", "users.csv", None)),
    "no zip": (b"PK no zip", ("not_a_zip", None, None)),
    "empty body": (b"", ("not_a_zip", None, None)),
    "empty zip": (package({}), ("missing_file", "manifest.csv", None)),
    "empty file": (district(users=b""), ("empty_file", "users.csv", None)),
}


@pytest.mark.parametrize("case", FILES)
async def test_a_bad_file_is_refused_by_name_and_nothing_but_its_run_is_written(
    sis: Sis, case: str
) -> None:
    body, problem = FILES[case]
    await expect_good(sis)
    before = await rows(sis)

    report = await sis.load(body)

    assert report["state"] == "refused"
    assert problem in named(report)
    assert "Byron" not in str(report)
    assert grown(before, await rows(sis)) == RUN_ONLY
    assert list(await sis.resolved()) == ["good"]
    assert (await sis.load(district()))["state"] == "completed"
    assert {"u1", "u2"} <= set(await sis.resolved())


async def test_an_empty_collection_removes_nobody(sis: Sis) -> None:
    await sis.load(district())
    people = await sis.resolved()

    report = await sis.load(district(users=csv(USERS), enrolled=[enrollment_row("e-u1", "u1")]))

    assert report["state"] in ("completed", "refused")
    assert await sis.resolved() == people
    await expect_good(sis)
