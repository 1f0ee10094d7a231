"""Whatever bytes come, well signed: the webhook door answers 2xx or 4xx, and goes on working."""

import json
from datetime import UTC, datetime
from itertools import count

import orjson
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.ingest_service import Ingest
from tests.support.ingesting import signed_bytes, user

NUMBERS = count()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from([*user("u1"), "identifier", "userMasterIdentifier", "agents", "metadata"])


def dumped(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # half a surrogate, a number too large: as Python writes it
        return json.dumps(value).encode()


def around(data: object) -> bytes:
    return dumped(
        {"type": "users.upserted", "occurredAt": datetime.now(UTC).isoformat(), "data": data}
    )


BODIES = (
    st.binary(max_size=200)
    | JSON.map(dumped)
    | JSON.map(around)
    | st.tuples(FIELDS, JSON).map(lambda it: around({**user("u1"), it[0]: it[1]}))
    | st.text(max_size=300).map(lambda it: around({**user("u1"), "sourcedId": it}))
)


async def post(ingest: Ingest, body: bytes) -> int:
    headers = signed_bytes(body, webhook_id=f"fuzz-{next(NUMBERS)}", at=datetime.now(UTC))
    answer = await ingest.http.post("/webhooks/sis", content=body, headers=headers)
    return answer.status_code


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=BODIES)
@example(body=around({**user("u1"), "identifier": "9" * 5_000}))
async def test_no_bytes_break_the_door_or_what_stands_behind_it(
    ingest: Ingest, body: bytes
) -> None:
    assert await post(ingest, body) in (202, 400, 422)
    await ingest.settled()

    assert await post(ingest, around(user("good"))) == 202
    await ingest.settled()
    assert "good" in await ingest.people()
