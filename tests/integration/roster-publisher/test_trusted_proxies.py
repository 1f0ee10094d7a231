"""Whose word is taken for where a request came from: of trusted proxies alone (ADR 0029)."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path

import httpx2

from tests.support.eventually import eventually_sync
from tests.support.processes import Program, start_service

PROXY = "127.0.0.1"
SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster.readonly"
# As we make them: one that is guessed costs no slow hash.
SECRET = f"hrs_{'x' * 43}"
CLIENTS = json.dumps([{"id": "app", "secret": SECRET, "district": "d1", "scopes": [SCOPE]}])
# More than one address may guess at once, and as many as it takes to see that it is never stopped.
TRIES = 40


@contextmanager
def serving(url: str, folder: Path, *, trusted: str) -> Iterator[httpx2.Client]:
    """The service as a process; asked from `PROXY`."""
    env = {
        "HOMEROOM_DATABASE_URL": url,
        "HOMEROOM_ENVIRONMENT": "test",
        "HOMEROOM_CLIENTS": CLIENTS,
        "HOMEROOM_TRUSTED_PROXIES": trusted,
        # What uvicorn itself would listen to is no setting of ours.
        "FORWARDED_ALLOW_IPS": "*",
    }
    program: Program = start_service("roster_publisher", folder=folder, env=env)
    try:
        with httpx2.Client(base_url=program.url, timeout=30) as asking:
            yield asking
    finally:
        program.kill()


def ask(asking: httpx2.Client, secret: str, forwarded: str) -> int:
    """The status of a request for a token whose sender is said to be `forwarded`."""
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": secret}
    answer = asking.post("/oauth2/token", data=form, headers={"x-forwarded-for": forwarded})
    return answer.status_code


def is_stopped(asking: httpx2.Client, forwarded: str) -> bool:
    """Whether who guesses is soon told to wait; `{}` in `forwarded` is another address each time."""
    senders = (forwarded.format(f"203.0.113.{n}") for n in count(100))
    return any(
        ask(asking, "guessed", sender) == http.client.TOO_MANY_REQUESTS
        for sender, _ in zip(senders, range(TRIES), strict=False)
    )


def test_who_guesses_through_a_trusted_proxy_locks_out_nobody_behind_it(
    publisher_url: str, tmp_path: Path
) -> None:
    with serving(publisher_url, tmp_path, trusted=f'["10.9.0.0/16", "{PROXY}"]') as asking:
        senders = (f"198.51.100.{n}" for n in cycle(range(1, 255)))
        # The client is made by a loop of its own. Who asks for it too early is another one each time.
        eventually_sync(
            lambda: ask(asking, SECRET, next(senders)) == http.client.OK, what="the client"
        )
        assert is_stopped(asking, "203.0.113.1")
        # What stands left of the sender was written by the sender; what stands right, by proxies.
        assert is_stopped(asking, "{}, 203.0.113.1")
        assert is_stopped(asking, "203.0.113.2, {}, 203.0.113.1, 10.9.0.7")
        assert ask(asking, SECRET, "203.0.113.2") == http.client.OK
        assert ask(asking, SECRET, "203.0.113.1, 203.0.113.2, 10.9.0.7") == http.client.OK


def test_nobody_is_believed_where_a_request_comes_from_unless_told(
    publisher_url: str, tmp_path: Path
) -> None:
    with serving(publisher_url, tmp_path, trusted="[]") as asking:
        assert is_stopped(asking, "{}")
