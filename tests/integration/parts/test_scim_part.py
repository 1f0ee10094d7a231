"""The demo's SCIM directory: a third-party server behind a token that no process list shows."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from homeroom.parts.missing import Missing
from homeroom.parts.scim import RunningScim, start_scim
from tests.support.ports import own_port


@pytest.fixture
def scim(tmp_path: Path) -> Iterator[RunningScim]:
    """A running directory."""
    started = start_scim(tmp_path, port=own_port())
    if isinstance(started, Missing):
        pytest.skip(str(started))
    yield started
    started.stop()


def status(scim: RunningScim, *, token: str | None) -> int:
    """The status of a list of users."""
    address = urlsplit(scim.url)
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=5)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        connection.request("GET", f"{address.path}/Users", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_directory_answers_its_token_only(scim: RunningScim) -> None:
    assert status(scim, token=scim.token) == http.client.OK
    assert status(scim, token=None) == http.client.UNAUTHORIZED
    assert status(scim, token="another") == http.client.UNAUTHORIZED


def test_the_token_stands_on_no_command_line(scim: RunningScim) -> None:
    process = psutil.Process(scim.child.pid)

    assert scim.token not in " ".join(process.cmdline())
    assert scim.token not in " ".join(process.environ().values())


def test_a_stopped_directory_answers_no_more(scim: RunningScim) -> None:
    scim.stop()
    scim.stop()

    with pytest.raises(ConnectionRefusedError):
        status(scim, token=scim.token)


def test_a_token_may_begin_with_a_dash(tmp_path: Path) -> None:
    started = start_scim(tmp_path, port=own_port(), token="-dash")

    assert isinstance(started, RunningScim)
    assert status(started, token="-dash") == http.client.OK
    started.stop()
