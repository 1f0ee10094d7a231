"""Sealed bodies: what one of the keys sealed opens again, for its delivery alone."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roster_common.errors import Fatal
from roster_common.runtime.sealing import KEY_BYTES, Seal
from roster_common.runtime.settings import load
from sis_ingest.settings import Settings

OLD, NEW = bytes(KEY_BYTES), bytes([1] * KEY_BYTES)
URL = "postgresql://nobody@127.0.0.1/none"


@given(st.binary(max_size=2000), st.uuids())
def test_a_body_opens_for_its_own_delivery_alone(body: bytes, delivery_id: object) -> None:
    seal = Seal([NEW])

    sealed = seal.seal(body, bound_to=str(delivery_id))

    assert seal.open(sealed, bound_to=str(delivery_id)) == body
    assert seal.open(sealed, bound_to="another") is None
    assert len(body) < 4 or body not in sealed


def test_an_older_key_opens_what_it_sealed_and_the_first_one_seals() -> None:
    before = Seal([OLD]).seal(b"body", bound_to="d")
    both = Seal([NEW, OLD])

    assert both.open(before, bound_to="d") == b"body"
    assert Seal([NEW]).open(both.seal(b"body", bound_to="d"), bound_to="d") == b"body"


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_body_that_was_changed_or_cut_does_not_open(place: int, flip: int) -> None:
    seal = Seal([OLD])
    sealed = bytearray(seal.seal(b"body", bound_to="d"))
    cut = bytes(sealed[: place % len(sealed)])
    sealed[place % len(sealed)] ^= flip

    assert seal.open(bytes(sealed), bound_to="d") is None
    assert seal.open(cut, bound_to="d") is None


def test_a_body_whose_key_is_gone_does_not_open() -> None:
    sealed = Seal([OLD]).seal(b"body", bound_to="d")

    assert Seal([NEW]).open(sealed, bound_to="d") is None


@pytest.mark.parametrize("key", ["", "c2hvcnQ=", "not base64 at all", "ä"])
def test_what_is_no_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(database_url=URL, body_keys=[key])

    (error,) = refused.value.errors(include_input=False)
    assert error["loc"][0] == "body_keys"
    assert not key or key not in error["msg"]


def test_production_does_not_start_without_a_key_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", URL)
    monkeypatch.setenv("HOMEROOM_ENVIRONMENT", "production")
    monkeypatch.setenv("HOMEROOM_OPERATOR_PUBLIC_KEY", "a-public-key")
    with pytest.raises(Fatal, match="HOMEROOM_BODY_KEYS"):
        load(Settings)

    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    monkeypatch.setenv("HOMEROOM_BODY_KEYS", f'["{key}"]')
    settings = load(Settings)

    assert settings.redacted()["body_keys"] == "***"
