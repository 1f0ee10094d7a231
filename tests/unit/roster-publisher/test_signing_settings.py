"""Settings of vendors that sign: a key must be there to seal with, and published ones are refused."""

import base64
import json

import pytest

from roster_common.errors import Fatal
from roster_common.runtime.settings import load
from roster_publisher.settings import Settings

KEY = base64.b64encode(bytes(32)).decode()


def given(monkeypatch: pytest.MonkeyPatch, *signing: dict[str, str], keys: list[str]) -> None:
    """A client for each of `signing`."""
    clients = [
        {"id": f"v{n}", "secret": "s", "district": "d1", "scopes": [], "oauth1": one}
        for n, one in enumerate(signing)
    ]
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", "postgresql://nobody@127.0.0.1/none")
    monkeypatch.setenv("HOMEROOM_CLIENTS", json.dumps(clients))
    monkeypatch.setenv("HOMEROOM_CREDENTIAL_KEYS", json.dumps(keys))


def test_what_signs_is_read_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, {"key": "k", "secret": "hidden-one"}, keys=[KEY])

    settings = load(Settings)

    shown = repr(settings.redacted()) + repr(settings)
    assert "hidden-one" not in shown
    assert KEY not in shown


@pytest.mark.parametrize(
    ("signing", "keys", "told"),
    [
        ([{"key": "k", "secret": "s"}], [], "HOMEROOM_CREDENTIAL_KEYS is missing"),
        ([{"key": "k", "secret": "s"}], ["c2hvcnQ="], r"CREDENTIAL_KEYS.*base64 of 32 bytes"),
        ([{"key": "k", "secret": "s"}] * 2, [KEY], "two clients have the same OAuth 1 key"),
        ([{"key": "a b", "secret": "s"}], [KEY], r"CLIENTS\[0\]\..*\.key"),
        ([{"key": "k", "secret": ""}], [KEY], r"CLIENTS\[0\]\..*\.secret"),
    ],
)
def test_what_cannot_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, signing: list[dict[str, str]], keys: list[str], told: str
) -> None:
    given(monkeypatch, *signing, keys=keys)

    with pytest.raises(Fatal, match=told):
        load(Settings)


def test_production_refuses_the_key_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEROOM_ENVIRONMENT", "production")
    monkeypatch.setenv("HOMEROOM_OPERATOR_PUBLIC_KEY", "a-public-key")
    given(monkeypatch, {"key": "demo-key", "secret": "demo-key-secret"}, keys=[KEY])
    with pytest.raises(Fatal, match="HOMEROOM_CLIENTS holds a demo secret"):
        load(Settings)

    given(monkeypatch, {"key": "demo-key", "secret": "another"}, keys=[KEY])
    assert load(Settings).clients[0].oauth1 is not None
