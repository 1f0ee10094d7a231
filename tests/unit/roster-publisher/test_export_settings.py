"""Settings of packages by schedule: what cannot work is refused."""

import json

import pytest

from roster_common.errors import Fatal
from roster_common.runtime.settings import load
from roster_publisher.settings import Settings

NIGHTLY = {"at": "02:30"}


@pytest.mark.parametrize(
    ("exports", "told"),
    [
        ([NIGHTLY, NIGHTLY], "two exports of a client are the same"),
        # The folder is named after the client.
        ([NIGHTLY, {**NIGHTLY, "folder": "reading"}], "two exports of a client are the same"),
        ([{"folder": "../reading", **NIGHTLY}], r"exports\[0\]\.folder"),
        ([{**NIGHTLY, "everySeconds": 60}], "either at or everySeconds"),
    ],
)
def test_what_cannot_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, exports: list[dict[str, object]], told: str
) -> None:
    client = {"id": "reading", "secret": "s", "district": "d1", "scopes": [], "exports": exports}
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", "postgresql://nobody@127.0.0.1/none")
    monkeypatch.setenv("HOMEROOM_EXPORT_DIR", "packages")
    monkeypatch.setenv("HOMEROOM_CLIENTS", json.dumps([client]))

    with pytest.raises(Fatal, match=told):
        load(Settings)
