"""The generic webhook: who signed it, and what it says."""

import contextlib
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_common.errors import Invalid, NotVerified
from sis_ingest.domain.deliveries import Incoming, Knock
from sis_ingest.sources.generic.spec import SPEC
from tests.support.ingesting import NOW, OTHER_SECRET, SECRET, envelope, signed, user

BODY = envelope("users.upserted", user("u1"))


def verify(headers, body=BODY, *, secrets=(SECRET,), now=NOW) -> str:
    knock = Knock(headers=headers, body=body, token=None)
    return SPEC.webhook.verify(knock, secrets=secrets, now=now)


def read(body: bytes) -> Incoming:
    (incoming,) = SPEC.webhook.read({}, body)
    return incoming


def reason(headers, body=BODY, **more) -> tuple[str, str | None]:
    with pytest.raises(NotVerified) as refused:
        verify(headers, body, **more)
    return refused.value.reason, refused.value.field


def test_what_the_library_signs_is_taken() -> None:
    assert verify(signed(BODY, webhook_id="m1", at=NOW)) == "m1"


def test_two_secrets_are_valid_at_once() -> None:
    both = (SECRET, OTHER_SECRET)

    assert verify(signed(BODY, webhook_id="m", at=NOW), secrets=both) == "m"
    assert verify(signed(BODY, webhook_id="m", at=NOW, secret=OTHER_SECRET), secrets=both) == "m"


def test_one_good_signature_among_others_is_enough() -> None:
    headers = signed(BODY, webhook_id="m", at=NOW)
    headers["webhook-signature"] = f"v1,bm9wZQ== v2,x v1,%% {headers['webhook-signature']}"

    assert verify(headers) == "m"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_either_way_are_taken(seconds: int) -> None:
    assert verify(signed(BODY, webhook_id="m", at=NOW + timedelta(seconds=seconds))) == "m"


@pytest.mark.parametrize("seconds", [-301, 301])
def test_more_than_five_minutes_either_way_are_refused(seconds: int) -> None:
    headers = signed(BODY, webhook_id="m", at=NOW + timedelta(seconds=seconds))

    assert reason(headers) == ("timestamp_outside_window", "webhook-timestamp")


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    headers = signed(BODY, webhook_id="m", at=NOW)
    del headers[name]

    assert reason(headers) == ("header_missing", name)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1,bm9wZQ=="},
        {"webhook-signature": "nonsense"},
        {"webhook-id": "another"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
    ],
)
def test_any_part_changed_breaks_the_signature(change: dict[str, str]) -> None:
    headers = {**signed(BODY, webhook_id="m", at=NOW), **change}

    assert reason(headers) == ("signature_mismatch", "webhook-signature")


def test_no_secret_means_that_nobody_can_sign() -> None:
    headers = signed(BODY, webhook_id="m", at=NOW)

    assert reason(headers, secrets=()) == ("signature_mismatch", "webhook-signature")


@pytest.mark.parametrize("value", ["12.5", "-1", "1e9", "٣", " 1", "9" * 13])
def test_a_timestamp_is_whole_seconds(value: str) -> None:
    headers = {**signed(BODY, webhook_id="m", at=NOW), "webhook-timestamp": value}

    assert reason(headers) == ("header_malformed", "webhook-timestamp")


def test_an_upsert_is_read_whole_with_ids_stripped_and_text_booleans_taken() -> None:
    data = {**user(" u1 "), "enabledUser": "true", "status": "active", "password": "hunter2"}
    data["roles"][0]["org"] = {"sourcedId": "school-1 ", "type": "org", "href": "https://x/"}

    incoming = read(envelope("users.upserted", data, version=7))

    assert (incoming.entity, incoming.external_id, incoming.version) == ("user", "u1", 7)
    assert not incoming.deleted
    assert incoming.occurred_at == NOW
    assert incoming.record == {
        "sourcedId": "u1",
        "enabledUser": True,
        "givenName": "Ada",
        "familyName": "Byron",
        "roles": [
            {
                "roleType": "primary",
                "role": "student",
                "org": {"sourcedId": "school-1", "type": "org"},
            }
        ],
    }


def test_a_deletion_needs_the_id_alone() -> None:
    incoming = read(envelope("classes.deleted", {"sourcedId": "c1"}))

    assert (incoming.entity, incoming.external_id) == ("class", "c1")
    assert incoming.deleted
    assert incoming.record is None


def test_an_upsert_with_status_tobedeleted_is_a_deletion_with_content() -> None:
    incoming = read(envelope("users.upserted", {**user("u1"), "status": "tobedeleted"}))

    assert incoming.deleted
    assert incoming.record is not None


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    body = orjson.dumps(
        {
            "type": "orgs.deleted",
            "occurredAt": "2026-09-01T10:00:00+02:00",
            "data": {"sourcedId": "o"},
        }
    )

    assert read(body).occurred_at == datetime(2026, 9, 1, 8, tzinfo=UTC)


def without(name: str) -> dict:
    return {key: value for key, value in user("u1").items() if key != name}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", ("malformed_json", None)),
        (b"\xff", ("malformed_json", None)),
        (b"[]", ("not_an_object", None)),
        (b"{}", ("missing", "type")),
        (envelope("users.exploded", user("u1")), ("unknown_type", "type")),
        (envelope("pupils.upserted", user("u1")), ("unknown_type", "type")),
        (envelope("users.upserted", without("givenName")), ("missing", "data.givenName")),
        (envelope("users.upserted", {**user("u1"), "roles": []}), ("too_short", "data.roles")),
        (
            envelope("users.upserted", {**user("u1"), "enabledUser": "perhaps"}),
            ("bool_parsing", "data.enabledUser"),
        ),
        (
            envelope("users.upserted", {**user("u1"), "givenName": "a\x00b"}),
            ("string_pattern_mismatch", "data.givenName"),
        ),
        (envelope("users.deleted", {}), ("missing", "data.sourcedId")),
        (envelope("users.upserted", user("u1"), version=-1), ("greater_than_equal", "version")),
        (envelope("users.upserted", user("u1"), version="7"), ("int_type", "version")),
        (
            orjson.dumps(
                {"type": "users.deleted", "occurredAt": "2026-09-01T08:00:00", "data": {}}
            ),
            ("timezone_aware", "occurredAt"),
        ),
    ],
)
def test_a_bad_body_is_refused_naming_the_field_and_no_value(body, expected) -> None:
    with pytest.raises(Invalid) as refused:
        read(body)

    assert (refused.value.reason, refused.value.field) == expected
    assert "Ada" not in str(refused.value)


@given(st.binary(max_size=200))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    with contextlib.suppress(Invalid):
        read(body)
