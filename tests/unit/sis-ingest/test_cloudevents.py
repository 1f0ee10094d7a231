"""CloudEvents at the generic door, made by the specification's own library: a witness not ours."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from roster_common.errors import Invalid, NotVerified
from sis_ingest.domain.deliveries import Incoming, Knock
from sis_ingest.signed.cloudevents import MAX_EVENTS
from sis_ingest.sources.generic.spec import SPEC
from tests.support.ingesting import NOW, SECRET, envelope, signed, user

BATCH = "application/cloudevents-batch+json"


def event(kind: str = "users.upserted", data: Any = None, **more: Any) -> CloudEvent:
    attributes = {"id": "m1", "source": "/sis", "type": kind, "specversion": "1.0", "time": NOW}
    attributes = {name: value for name, value in {**attributes, **more}.items() if value}
    return CloudEvent(attributes=attributes, data=user("u1") if data is None else data)


def document(kind: str = "users.upserted", data: Any = None, **more: Any) -> dict[str, Any]:
    """A structured event; None leaves an attribute out."""
    made = orjson.loads(http.to_structured_event(event(kind, data)).body) | more
    return {name: value for name, value in made.items() if value is not None}


def binary(kind: str = "users.upserted", data: Any = None, **more: Any) -> tuple[dict, bytes]:
    """Headers and body of a binary event; None leaves a header out."""
    made = http.to_binary_event(event(kind, data))
    headers = made.headers | {f"ce-{name}": value for name, value in more.items()}
    return {name: value for name, value in headers.items() if value is not None}, bytes(made.body)


def read(headers: Mapping[str, str], body: bytes) -> Sequence[Incoming]:
    return SPEC.webhook.read(Knock(headers=headers, body=body, token=None).kept(KEEPS), body)


def structured(one: Any) -> Sequence[Incoming]:
    return read({"content-type": "application/cloudevents+json; charset=UTF-8"}, orjson.dumps(one))


def batch(*events: Any) -> Sequence[Incoming]:
    return read({"content-type": BATCH}, orjson.dumps(events))


KEEPS = SPEC.webhook.keeps


def fault(call, *arguments: Any) -> tuple[str, str | None]:
    with pytest.raises(Invalid) as refused:
        call(*arguments)
    assert "Ada" not in str(refused.value)
    return refused.value.reason, refused.value.field


@pytest.mark.parametrize("kind", ["users.upserted", "users.deleted"])
def test_all_modes_say_what_the_envelope_says(kind: str) -> None:
    data = {**user("u1"), "status": "tobedeleted" if kind == "users.deleted" else "active"}
    (plain,) = SPEC.webhook.read({}, envelope(kind, data, version=7))

    (one,) = structured(document(kind, data, version=7))
    (two,) = read(*binary(kind, data, version="7"))
    (three,) = batch(document(kind, data, version="7"))

    for other in (one, two, three):
        assert (other.entity, other.external_id, other.version) == ("user", "u1", 7)
        assert (other.record, other.content_hash) == (plain.record, plain.content_hash)
        assert (other.deleted, other.occurred_at) == (plain.deleted, plain.occurred_at)


def test_headers_are_unquoted_and_their_percent_signs_read_once() -> None:
    headers, body = binary()

    (incoming,) = read({**headers, "ce-type": '"users\\.upserted"', "ce-time": "2026-09-01"
                        "T10%3A00:00%2B02:00"}, body)  # fmt: skip

    assert (incoming.external_id, incoming.occurred_at) == ("u1", NOW)


def test_an_envelope_beside_unrelated_headers_is_an_envelope() -> None:
    headers = {"content-type": "application/json", "ce-subject": "whatever"}

    (incoming,) = read(headers, envelope("users.upserted", user("u1")))

    assert incoming.time_field == "occurredAt"


def test_a_batch_keeps_its_order_and_may_be_empty() -> None:
    told = batch(*(document(data=user(f"u{n % 3}")) for n in range(7)))

    assert [incoming.external_id for incoming in told] == ["u0", "u1", "u2"] * 2 + ["u0"]
    assert batch() == []


def test_the_time_is_named_as_it_was_written() -> None:
    assert structured(document())[0].time_field == "time"
    assert read(*binary())[0].time_field == "ce-time"
    assert batch(document(), document())[1].time_field == "1.time"


def test_our_version_comes_before_the_sequence() -> None:
    assert structured(document(version=3, sequence="9"))[0].version == 3
    assert structured(document(sequence="9"))[0].version == 9


ATTRIBUTES = [
    ({"specversion": None}, "missing", "specversion"),
    ({"specversion": "0.3"}, "literal_error", "specversion"),
    ({"id": None}, "missing", "id"),
    ({"id": ""}, "string_too_short", "id"),
    ({"source": None}, "missing", "source"),
    ({"type": None}, "missing", "type"),
    ({"type": "users.exploded"}, "unknown_type", "type"),
    ({"type": "org.example.Ada"}, "unknown_type", "type"),
    ({"time": None}, "missing", "time"),
    ({"time": "soon"}, "value_error", "time"),
    ({"time": "20260901"}, "value_error", "time"),
    ({"time": "2026-09-01T08:00:00"}, "timezone_aware", "time"),
    ({"version": "-1"}, "greater_than_equal", "version"),
    ({"version": "newest"}, "int_parsing", "version"),
    ({"sequence": "9" * 30}, "less_than_equal", "sequence"),
]


@pytest.mark.parametrize(("change", "reason", "field"), ATTRIBUTES)
def test_a_bad_attribute_is_named_as_its_mode_writes_it(
    change: dict[str, str | None], reason: str, field: str
) -> None:
    assert fault(structured, document(**change)) == (reason, field)
    assert fault(batch, document(), document(**change)) == (reason, f"1.{field}")
    headers, body = binary(**change)
    if change.get(field) == "":
        headers[f"ce-{field}"] = '""'
    assert fault(read, headers, body) == (reason, f"ce-{field}")


def without_name() -> dict[str, Any]:
    return {name: value for name, value in user("u1").items() if name != "familyName"}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (document(time=1_788_249_600), ("value_error", "time")),
        ({**document(), "data": None}, ("not_an_object", "data")),
        ({**document(), "data": "Ada"}, ("not_an_object", "data")),
        ({k: v for k, v in document().items() if k != "data"}, ("missing", "data")),
        (document(data=without_name()), ("missing", "data.familyName")),
        ([document()], ("not_an_object", None)),
        ("Ada", ("not_an_object", None)),
    ],
)
def test_a_bad_structured_event_is_refused(one: Any, expected: tuple[str, str | None]) -> None:
    assert fault(structured, one) == expected


def test_a_bad_batch_is_refused_naming_the_event() -> None:
    assert fault(batch, document(), document(data=without_name())) == (
        "missing",
        "1.data.familyName",
    )
    assert fault(batch, document(), 7) == ("not_an_object", "1")
    assert fault(read, {"content-type": BATCH}, b"{}") == ("not_a_list", None)
    many = [document("users.deleted", {"sourcedId": "u"})] * (MAX_EVENTS + 1)
    assert fault(batch, *many) == ("too_many_events", "body")


def test_a_bad_binary_event_is_refused() -> None:
    headers, body = binary()

    assert fault(read, headers, b"{") == ("malformed_json", None)
    assert fault(read, headers, b"[]") == ("not_an_object", None)
    assert fault(read, *binary(data=without_name())) == ("missing", "familyName")
    assert fault(read, {**headers, "ce-type": "%C0%A0"}, body) == ("not_utf8", "ce-type")
    avro = {**headers, "content-type": "application/cloudevents+avro"}
    assert fault(read, avro, body) == ("unknown_event_format", "content-type")


def verify(headers: Mapping[str, str], body: bytes) -> str:
    proof = signed(body, webhook_id="m1", at=NOW)
    return SPEC.webhook.verify(
        Knock(headers={**proof, **headers}, body=body, token=None), secrets=[SECRET], now=NOW
    )


def test_the_id_of_a_binary_event_is_the_signed_one() -> None:
    assert verify(*binary()) == "m1"
    assert fault(verify, *binary(id="other")) == ("not_the_signed_id", "ce-id")
    assert fault(verify, *binary(id=None)) == ("not_the_signed_id", "ce-id")
    with pytest.raises(NotVerified):
        verify(*binary(id="other"))


def test_a_body_that_carries_its_attributes_may_have_any_id() -> None:
    made = http.to_structured_event(event(id="other"))

    assert verify(made.headers, bytes(made.body)) == "m1"


def test_a_deletion_in_headers_must_be_in_the_signed_body_too() -> None:
    assert fault(read, *binary("users.deleted")) == ("deletion_not_signed", "status")
    gone = {"sourcedId": "u1", "status": "tobedeleted"}
    assert read(*binary("users.deleted", gone))[0].deleted
    assert structured(document("users.deleted", {"sourcedId": "u1"}))[0].deleted


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    gone = draw(st.booleans())
    name = f"u{draw(st.integers(0, 3))}"
    return document(
        "users.deleted" if gone else "users.upserted",
        {"sourcedId": name} if gone else user(name, given=draw(st.sampled_from("ABC"))),
        time=(NOW + timedelta(seconds=draw(st.integers(0, 9)))).isoformat(),
        version=draw(st.none() | st.integers(0, 9)),
    )


@given(st.lists(documents(), max_size=8), st.integers(0, 8))
def test_batches_say_what_their_events_say_one_by_one(
    events: list[dict[str, Any]], cut: int
) -> None:
    single = [_without_place(incoming) for one in events for incoming in structured(one)]
    batched = [*batch(*events[:cut]), *batch(*events[cut:])]

    assert [_without_place(incoming) for incoming in batched] == single


def _without_place(incoming: Incoming) -> tuple[object, ...]:
    return (
        incoming.entity, incoming.external_id, incoming.content_hash, incoming.deleted,
        incoming.version, incoming.occurred_at,
    )  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(sorted(KEEPS)), st.text(max_size=30)),
    st.sampled_from(["application/cloudevents+json", BATCH, "application/json", ""]),
    st.binary(max_size=200)
    | st.builds(orjson.dumps, st.lists(st.dictionaries(st.text(), st.text()))),
)
def test_no_headers_and_no_body_break_the_reader(
    headers: dict[str, str], media_type: str, body: bytes
) -> None:
    with contextlib.suppress(Invalid):
        read({**headers, "content-type": media_type}, body)
    with contextlib.suppress(Invalid):
        read(headers, body)
