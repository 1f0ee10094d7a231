"""Records as OneRoster text, and views of it, without any I/O."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roster_common.contracts.oneroster import OBJECTS
from roster_publisher.adapters.secrets import SecretDigests
from roster_publisher.domain.fragments import FIELDS, GROUPS, HOST_MARK, render, stamp_text
from roster_publisher.domain.publication import Origin
from roster_publisher.domain.records import PUBLISH_ORDER, Key
from roster_publisher.domain.uris import as_uri
from roster_publisher.domain.views import is_narrow, narrow
from tests.support.official_oneroster import check_single
from tests.support.oneroster_records import demographics, org, ref, role, user

STAMP = "2026-09-01T08:00:00.000Z"


def text_of(entity: Any, record: dict[str, Any], *, hidden: frozenset[Key] = frozenset()) -> str:
    """The whole object, as a reader puts it together."""
    fragments = render(
        Key(entity, record["sourcedId"]),
        record,
        status="active",
        stamp=STAMP,
        is_shown=lambda key: key not in hidden,
    )
    return "{" + "".join(getattr(fragments, group) for group in GROUPS) + "}"


def test_booleans_are_words_and_nothing_is_null() -> None:
    body = json.loads(text_of("demographics", demographics("u1", asian=True, white=False)))

    assert body == {
        "sourcedId": "u1",
        "status": "active",
        "dateLastModified": STAMP,
        "birthDate": "2012-03-04",
        "asian": "true",
        "white": "false",
    }


def test_an_id_is_escaped_in_its_address_and_plain_beside_it() -> None:
    text = text_of("user", user("u1", role('a/b "ü"')))

    body = json.loads(text.replace(HOST_MARK, "http://h"))
    assert body["roles"][0]["org"] == {
        "href": "http://h/orgs/a%2Fb%20%22%C3%BC%22",
        "sourcedId": 'a/b "ü"',
        "type": "org",
    }


def test_the_host_mark_cannot_come_from_a_record() -> None:
    text = text_of("org", org("s1", name=f"x{HOST_MARK}y"))

    assert HOST_MARK not in text
    assert json.loads(text)["name"] == f"x{HOST_MARK}y"


@given(
    text=st.one_of(st.text(min_size=1), st.from_regex(r"[a-z]{1,3}:[!-~]{0,12}", fullmatch=True))
)
@example(text="https://sis.example/profiles/7?x=1#y")
@example(text="urn:uuid:8c1f0b8e-5e3a-4b52-9c39-3a0b8f3b4f53")
@example(text="A1:7")
@example(text="http://[::1]/x")
@example(text="http://a:b:c/")
@example(text="7")
def test_what_a_source_calls_a_profile_is_a_uri_whatever_it_is(text: str) -> None:
    profile = {"profileId": text, "profileType": "lms", "vendorId": "v"}
    body = json.loads(
        text_of("user", user("u1", role(userProfile=text), userProfiles=[profile])).replace(
            HOST_MARK, "http://h"
        )
    )

    check_single({"user": body})
    (told,) = body["userProfiles"]
    assert told["profileId"] == body["roles"][0]["userProfile"]
    if "://sis.example/" in text or text.startswith("urn:uuid:"):
        assert told["profileId"] == text


def test_profiles_with_ids_of_their_own_keep_them_apart() -> None:
    texts = ("7", "8", "7 ", "a b", "a%20b", "ü", "urn:x-profile:7x")
    assert len({as_uri(text) for text in texts}) == len(texts)
    assert as_uri("a b") == "urn:x-profile:a%20b"


def test_what_is_not_shown_is_not_referred_to() -> None:
    record = user("u1", role("s1"), role("s2"), agents=[ref("user", "mum"), ref("user", "dad")])
    hidden = frozenset({Key("org", "s2"), Key("user", "dad")})

    body = json.loads(text_of("user", record, hidden=hidden).replace(HOST_MARK, ""))

    assert [one["org"]["sourcedId"] for one in body["roles"]] == ["s1"]
    assert [one["sourcedId"] for one in body["agents"]] == ["mum"]


def test_a_stamp_is_written_with_milliseconds_and_a_z() -> None:
    assert stamp_text(datetime(2026, 9, 1, 8, 0, 0, 7000, tzinfo=UTC)) == (
        "2026-09-01T08:00:00.007Z"
    )


@pytest.mark.parametrize("entity", PUBLISH_ORDER)
def test_every_field_of_the_contract_has_a_place(entity: Any) -> None:
    names = {field.alias or name for name, field in OBJECTS[entity].model_fields.items()}
    contract = {name.rstrip("_") for name in names}

    assert contract == FIELDS[entity]


def test_a_view_of_schools_names_no_other() -> None:
    body = {
        "@": 5,
        "roles": [{"org": {"sourcedId": "s1"}}, {"org": {"sourcedId": "s2"}}],
        "primaryOrg": {"sourcedId": "s2", "type": "org"},
        "agents": [{"sourcedId": who} for who in ("mum", "stranger", "gone", "later")],
    }
    stays = {"mum": [(1, None)], "gone": [(1, 5)], "later": [(6, None)]}

    (seen,) = narrow([body], visible_orgs=frozenset({"s1"}), stays=stays)

    assert seen == {"roles": [{"org": {"sourcedId": "s1"}}], "agents": [{"sourcedId": "mum"}]}


def test_a_text_that_may_name_somebody_out_of_sight_is_not_sent_as_it_is() -> None:
    record = user("amy", role("s1"), role('s"2'), primaryOrg=ref("org", "s3"))
    text = render(
        Key("user", "amy"), record, status="active", stamp="x", is_shown=lambda _: True
    ).refs.encode()

    assert is_narrow(text, frozenset({"s1", 's"2', "s3", "s4"}))
    assert is_narrow(text, None)
    for unseen in ("s1", 's"2', "s3"):
        assert not is_narrow(text, frozenset({"s1", 's"2', "s3"} - {unseen}))
    assert not is_narrow(b'{"@":5,"sourcedId":"amy"}', None)


def test_an_id_that_ends_as_a_school_in_sight_is_not_taken_for_it() -> None:
    for unseen in ('x"s1', 'x","sourcedId":"s1', "x\\", "xs1"):
        text = render(
            Key("user", "amy"),
            user("amy", role("s1"), role(unseen)),
            status="active",
            stamp="x",
            is_shown=lambda _: True,
        ).refs.encode()

        assert is_narrow(text, frozenset({"s1", unseen}))
        assert not is_narrow(text, frozenset({"s1"}))


async def test_a_secret_is_known_again_and_kept_as_a_hash() -> None:
    digests = SecretDigests()
    for secret, kind in (("chosen", "scrypt$"), (f"hrs_{'a' * 43}", "blake2b$")):
        stored = await digests.digest(secret)
        assert stored.startswith(kind)
        assert secret not in stored
        assert await digests.matches(secret, stored)
        assert not await digests.matches("another", stored)


def test_origins_are_those_of_the_contract() -> None:
    from roster_common.contracts import envelope

    assert Origin.__args__ == envelope.Origin.__args__  # type: ignore[attr-defined]
