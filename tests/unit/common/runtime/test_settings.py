"""Settings: nothing secret is printed, and production refuses what belongs to the demo."""

import json

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl
from pydantic.alias_generators import to_camel

from roster_common.errors import Fatal
from roster_common.runtime.settings import ServiceSettings, is_demo_secret, load

CANARY = "hunter2-canary"


class Settings(ServiceSettings):
    service: str = "test-service"
    port: int = 8101
    vendor_api_key: str | None = None
    vendor_address: HttpUrl | None = None


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", f"postgresql://app:{CANARY}@db:5432/homeroom")
    for name in ("HOMEROOM_FAILPOINT", "HOMEROOM_KAFKA_BOOTSTRAP", "HOMEROOM_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


def _production(monkeypatch: pytest.MonkeyPatch, **extra: str) -> None:
    given = {"ENVIRONMENT": "production", "OPERATOR_PUBLIC_KEY": "a-public-key", **extra}
    for name, value in given.items():
        monkeypatch.setenv(f"HOMEROOM_{name}", value)


def test_the_redacted_settings_hold_no_password():
    redacted = load(Settings).redacted()

    assert CANARY not in json.dumps(redacted)
    assert redacted["database_url"] == "postgresql://app:***@db:5432/homeroom"


def test_a_field_named_like_a_secret_is_masked_and_a_public_key_is_shown(monkeypatch):
    monkeypatch.setenv("HOMEROOM_VENDOR_API_KEY", CANARY)
    monkeypatch.setenv("HOMEROOM_OPERATOR_PUBLIC_KEY", "shown")

    redacted = load(Settings).redacted()

    assert redacted["vendor_api_key"] == "***"
    assert redacted["operator_public_key"] == "shown"


def test_a_password_in_the_query_of_a_url_is_masked(monkeypatch):
    monkeypatch.setenv(
        "HOMEROOM_DATABASE_URL", f"postgresql:///homeroom?host=/run/pg&password={CANARY}"
    )

    assert load(Settings).redacted()["database_url"] == (
        "postgresql:///homeroom?host=/run/pg&password=***"
    )


def test_a_password_in_an_address_that_is_no_text_is_masked(monkeypatch):
    monkeypatch.setenv("HOMEROOM_VENDOR_ADDRESS", f"https://us:{CANARY}@vendor.example/api")

    assert load(Settings).redacted()["vendor_address"] == "https://us:***@vendor.example/api"


def test_the_text_form_of_settings_holds_no_password():
    settings = load(Settings)

    assert CANARY not in f"{settings!r} {settings}"


def test_a_bad_value_is_named_by_its_variable_and_not_shown(monkeypatch):
    monkeypatch.setenv("HOMEROOM_PORT", CANARY)

    with pytest.raises(Fatal) as caught:
        load(Settings)

    assert "HOMEROOM_PORT: int_parsing" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_missing_variable_is_named(monkeypatch):
    monkeypatch.delenv("HOMEROOM_DATABASE_URL")

    with pytest.raises(Fatal, match="HOMEROOM_DATABASE_URL: Field required"):
        load(Settings)


def test_production_starts_with_proper_settings(monkeypatch):
    _production(monkeypatch)

    assert load(Settings).environment == "production"


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("DATABASE_URL", "postgresql://app:demo-secret@db/x", "HOMEROOM_DATABASE_URL holds"),
        ("VENDOR_API_KEY", "one-secret", "HOMEROOM_VENDOR_API_KEY holds"),
        ("SOURCE_SECRET_X", "whsec_ZGVtby13ZWJob29rLXNlY3JldA==", "HOMEROOM_SOURCE_SECRET_X holds"),
        ("VENDORS", '{"a": "demo-key-secret"}', "HOMEROOM_VENDORS holds"),
        ("DATABASE_EMBEDDED", "true", "HOMEROOM_DATABASE_EMBEDDED"),
        ("FAILPOINT", "log.relay.after_send", "HOMEROOM_FAILPOINT"),
    ],
)
def test_production_refuses(monkeypatch, variable, value, complaint):
    _production(monkeypatch, **{variable: value})

    with pytest.raises(Fatal) as caught:
        load(Settings)

    assert complaint in str(caught.value)
    assert value not in str(caught.value)


def test_production_refuses_to_start_without_an_operator_key(monkeypatch):
    monkeypatch.setenv("HOMEROOM_ENVIRONMENT", "production")

    with pytest.raises(Fatal, match="HOMEROOM_OPERATOR_PUBLIC_KEY is missing"):
        load(Settings)


def test_the_demo_may_use_demo_secrets(monkeypatch):
    monkeypatch.setenv("HOMEROOM_ENVIRONMENT", "demo")
    monkeypatch.setenv("HOMEROOM_VENDOR_API_KEY", "demo-secret")

    assert load(Settings).vendor_api_key == "demo-secret"


@pytest.mark.parametrize("text", ["someone-secret", "not-demo-secret-2", "secret", ""])
def test_other_secrets_are_not_taken_for_demo_secrets(text):
    assert not is_demo_secret(text)


class Clock(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    every_seconds: int = Field(ge=1, le=60)


class Source(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str
    clock: Clock | None = None
    limits: dict[str, int] = {}


class Listing(Settings):
    sources: tuple[Source, ...] = ()


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (
            '{"id": "b", "clock": {"everySeconds": 61}}',
            "HOMEROOM_SOURCES[1].clock.everySeconds: Input should be less than or equal to 60",
        ),
        (
            '{"id": "b", "clok": "CANARY"}',
            "HOMEROOM_SOURCES[1].clok: Extra inputs are not permitted",
        ),
        ('{"ID": "CANARY"}', "HOMEROOM_SOURCES[1].id: Field required"),
        ('{"id": "b", "limits": {"CANARY": "x"}}', "HOMEROOM_SOURCES[1].limits.*: int_parsing"),
    ],
    ids=["too_large", "unknown", "missing", "a_key_of_theirs"],
)
def test_a_fault_in_a_list_is_named_by_its_place_and_never_by_a_value(
    monkeypatch: pytest.MonkeyPatch, second: str, complaint: str
) -> None:
    sources = f'[{{"id": "a"}}, {second}]'.replace("CANARY", CANARY)
    monkeypatch.setenv("HOMEROOM_SOURCES", sources)

    with pytest.raises(Fatal) as caught:
        load(Listing)

    assert complaint in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_variable_that_is_no_json_is_named_with_the_place_where_it_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOMEROOM_SOURCES", f'[{{"id": "a"}},\n {{"id": {CANARY}}}]')

    with pytest.raises(Fatal) as caught:
        load(Listing)

    assert str(caught.value) == (
        "settings refused: HOMEROOM_SOURCES is no JSON from line 2, column 9 on"
    )


@pytest.mark.parametrize("network", ["*", "0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy"])
def test_a_trusted_proxy_is_an_address_or_a_network_of_some(monkeypatch, network):
    monkeypatch.setenv("HOMEROOM_TRUSTED_PROXIES", json.dumps(["10.9.0.7", "fd00::/64"]))
    assert [str(one) for one in load(Settings).trusted_proxies] == ["10.9.0.7/32", "fd00::/64"]
    monkeypatch.setenv("HOMEROOM_TRUSTED_PROXIES", json.dumps(["10.9.0.7", network]))

    with pytest.raises(Fatal, match="HOMEROOM_TRUSTED_PROXIES"):
        load(Settings)
