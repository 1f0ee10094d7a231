"""What a desk may be told by the environment, and what is refused without showing it."""

import json

import pytest

from roster_common.errors import Fatal
from roster_common.runtime.settings import load
from ticket_events.settings import Settings

SECRET = "whsec_" + "dGVzdC1zZWNyZXQtb2YtYS1oZWxwLWRlc2s="
DESK = {"id": "helpdesk", "district": "north", "secrets": [SECRET]}


@pytest.fixture
def tell(monkeypatch):
    def tell(*desks, environment="test"):
        monkeypatch.setenv("HOMEROOM_ENVIRONMENT", environment)
        monkeypatch.setenv("HOMEROOM_DATABASE_URL", "postgresql://u:a-good-password@db/homeroom")
        monkeypatch.setenv("HOMEROOM_DESKS", json.dumps(desks))
        return load(Settings)

    return tell


def test_a_desk_is_generic_and_counts_in_utc_unless_told(tell):
    (desk,) = tell(DESK).desks

    assert (desk.kind, desk.timezone) == ("generic", "UTC")
    assert "dGVzdC" not in f"{desk!r}{tell(DESK).redacted()}"


@pytest.mark.parametrize(
    "desks",
    [
        [{**DESK, "id": "homeroom"}],
        [{**DESK, "id": "a/b"}],
        [{**DESK, "kind": "telepathy"}],
        [{**DESK, "timezone": "Mars/Olympus"}],
        [{**DESK, "timezone": "../etc/passwd"}],
        [{**DESK, "secrets": []}],
        [{**DESK, "secrets": [SECRET] * 3}],
        [{**DESK, "secrets": ["whsec_not base64!"]}],
        [DESK, DESK],
    ],
)
def test_a_desk_that_cannot_be_is_refused_without_its_secret(tell, desks):
    with pytest.raises(Fatal) as refused:
        tell(*desks)

    assert "DESKS" in str(refused.value)
    assert not [s for desk in desks for s in desk["secrets"] if s in str(refused.value)]


def test_production_refuses_a_secret_that_this_project_published(tell):
    with pytest.raises(Fatal, match="demo secret"):
        tell({**DESK, "secrets": ["whsec_ZGVtby13ZWJob29rLXNlY3JldA=="]}, environment="production")
