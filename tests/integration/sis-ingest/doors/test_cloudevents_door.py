"""CloudEvents through the door: each mode is kept with what it needs, and applied once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx2
import orjson
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.ingest_service import Ingest
from tests.support.ingesting import signed, user

BATCH = "application/cloudevents-batch+json"
HOUR_AGO = timedelta(hours=1)
NUMBERS = count()


def event(kind: str, data: dict[str, Any], *, event_id: str = "m", at: int = 0) -> CloudEvent:
    time = datetime.now(UTC).replace(microsecond=0) - HOUR_AGO + timedelta(seconds=at)
    return CloudEvent(
        attributes={
            "specversion": "1.0", "id": event_id, "source": "/sis", "type": kind, "time": time,
        },
        data=data,
    )  # fmt: skip


async def send(
    ingest: Ingest, message: http.HTTPMessage, *, source: str = "sis", webhook_id: str | None = None
) -> httpx2.Response:
    body = bytes(message.body)
    headers = signed(
        body, webhook_id=webhook_id or f"ce{next(NUMBERS)}", at=datetime.now(UTC)
    )  # fmt: skip
    return await ingest.http.post(
        f"/webhooks/{source}", content=body, headers={**headers, **message.headers}
    )


def batch(events: Sequence[CloudEvent]) -> http.HTTPMessage:
    bodies = [orjson.loads(http.to_structured_event(one).body) for one in events]
    return http.HTTPMessage(headers={"content-type": BATCH}, body=orjson.dumps(bodies))


async def ends(ingest: Ingest) -> list[tuple[str, str]]:
    rows = await ingest.pool.fetch("SELECT state, reason FROM sis_ingest.delivery ORDER BY seq")
    return [(row["state"], row["reason"]) for row in rows]


async def test_a_binary_event_is_applied_from_the_headers_kept_beside_its_body(
    ingest: Ingest,
) -> None:
    message = http.to_binary_event(event("users.upserted", user("u1"), event_id="m1"))

    answer = await send(ingest, message, webhook_id="m1")

    assert answer.status_code == 202
    await ingest.settled()
    kept = orjson.loads(await ingest.value("SELECT headers::text FROM sis_ingest.delivery"))
    assert {"ce-type", "ce-time"} < kept.keys()
    assert not {"webhook-signature", "host"} & kept.keys()
    assert await ingest.people() == {"u1": "Ada"}
    (received,) = await ingest.events("k12.sis.change.received.v1")
    assert received["data"]["externalId"] == "u1"


async def test_a_binary_event_whose_id_is_not_the_signed_one_is_not_taken(ingest: Ingest) -> None:
    message = http.to_binary_event(event("users.upserted", user("u1"), event_id="m1"))

    answer = await send(ingest, message, webhook_id="m2")

    assert answer.status_code == 401
    assert answer.json()["errors"][0] | {"location": None} == {
        "field": "ce-id", "message": "not_the_signed_id", "location": None,
    }  # fmt: skip
    assert await ends(ingest) == []


async def test_a_structured_event_is_applied_and_a_repeated_one_changes_nothing(
    ingest: Ingest,
) -> None:
    message = http.to_structured_event(event("users.upserted", user("u1")))

    answers = [await send(ingest, message) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    await ingest.settled()
    assert await ends(ingest) == [("applied", "new"), ("applied", "stale")]
    assert len(await ingest.events("k12.roster.user.%")) == 1


async def test_a_batch_is_one_delivery_with_one_end(ingest: Ingest) -> None:
    first = [event("users.upserted", user(f"u{n}"), at=n) for n in range(3)]
    second = [first[0], event("users.upserted", user("u1", given="Eve"), at=9)]

    for events in (first, second, first[:1], []):
        assert (await send(ingest, batch(events))).status_code == 202
    await ingest.settled()

    assert await ends(ingest) == [
        ("applied", "new"),
        ("applied", "changed"),
        ("applied", "stale"),
        ("applied", "nothing_said"),
    ]
    assert await ingest.people() == {"u0": "Ada", "u1": "Eve", "u2": "Ada"}


async def test_one_bad_event_refuses_its_batch_before_anything_is_kept(ingest: Ingest) -> None:
    good = event("users.upserted", user("u1"))
    future = event("users.upserted", user("u2"), at=7_200)

    nameless = await send(ingest, batch([good, event("users.upserted", {"sourcedId": "u2"})]))
    early = await send(ingest, batch([good, future]))

    assert (nameless.status_code, early.status_code) == (422, 422)
    assert nameless.json()["errors"][0]["field"].startswith("1.data.")
    assert early.json()["errors"][0]["field"] == "1.time"
    assert await ends(ingest) == []


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["Ada", "Eve", None]), st.integers(0, 4), st.booleans()
    ),
    min_size=2,
    max_size=9,
)  # fmt: skip


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
async def test_however_events_are_batched_the_truth_is_the_same(
    ingest: Ingest, steps: list[tuple[int, str | None, int, bool]]
) -> None:
    number = next(NUMBERS)
    # Many examples in one day: what may go without asking is another test's matter.
    await ingest.pool.execute("DELETE FROM sis_ingest.spent")
    groups: list[list[CloudEvent]] = [[]]
    for who, given_name, at, cut in steps:
        name = f"r{number}-u{who}"
        gone = given_name is None
        groups[-1].append(
            event(
                "users.deleted" if gone else "users.upserted",
                {"sourcedId": name} if given_name is None else user(name, given=given_name),
                at=at,
            )
        )
        if cut:
            groups.append([])

    for group in groups:
        assert (await send(ingest, batch(group), source="sis")).status_code == 202
        for one in group:
            alone = http.to_structured_event(one)
            assert (await send(ingest, alone, source="elsewhere")).status_code == 202
    await ingest.settled()

    assert await truth(ingest, "d1", f"r{number}-") == await truth(ingest, "d2", f"r{number}-")


async def truth(ingest: Ingest, district: str, prefix: str) -> list[tuple[str, bytes]]:
    """What lives: who came and went within one batch was never told, and has no tombstone."""
    rows = await ingest.pool.fetch(
        "SELECT entity_id, content_hash FROM sis_ingest.resolved_record"
        " WHERE district_id = $1 AND entity_id LIKE $2 || '%' AND NOT deleted ORDER BY entity_id",
        district,
        prefix,
    )
    return [tuple(row) for row in rows]
