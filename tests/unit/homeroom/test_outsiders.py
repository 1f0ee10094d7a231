"""The demo's neighbours speak the public protocols: paging by Link, tokens, signatures."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from standardwebhooks.webhooks import Webhook

from homeroom.demo.outsiders.directory import Directory, requests_by_method
from homeroom.demo.outsiders.sender import Sender
from homeroom.demo.outsiders.vendor import Vendor
from homeroom.errors import CommandFailed

SECRET = "whsec_ZGVtby13ZWJob29rLXNlY3JldA=="


class Counterpart(BaseHTTPRequestHandler):
    """A small server with fixed answers; the class keeps what it was asked."""

    asked: ClassVar[list[str]] = []
    bodies: ClassVar[list[tuple[dict[str, str], bytes]]] = []
    tokens: ClassVar[int] = 0
    refuse_first_token: ClassVar[bool] = False

    def do_GET(self) -> None:
        Counterpart.asked.append(self.path)
        token = self.headers.get("Authorization", "")
        if Counterpart.refuse_first_token and token == "Bearer token-1":
            self._answer(401, {})
        elif self.path.startswith("/Users"):
            two = [{"id": "a"}, {"id": "b"}] if "twice" in self.path else []
            self._answer(200, {"totalResults": 5, "Resources": two})
        elif "/users" in self.path:
            self._users()
        elif "/courses" in self.path:
            self._answer(200, {})
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        Counterpart.bodies.append((dict(self.headers.items()), body))
        if self.path == "/oauth2/token":
            Counterpart.tokens += 1
            self._answer(200, {"access_token": f"token-{Counterpart.tokens}"})
        else:
            self._answer(202, {"deliveryId": "d-1", "correlationId": "c-1"})

    def _users(self) -> None:
        host = self.headers["Host"]
        first = "offset" not in self.path
        rows = [{"sourcedId": "1"}, {"sourcedId": "2"}] if first else [{"sourcedId": "3"}]
        link = f'<http://{host}/x>; rel="first"'
        if first:
            link += f', <http://{host}{self.path}&offset=2>; rel="next"'
        self._answer(200, {"users": rows}, {"Link": link, "X-Total-Count": "3"})

    def _answer(self, code: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Counterpart.asked, Counterpart.bodies = [], []
    Counterpart.tokens, Counterpart.refuse_first_token = 0, False
    with ThreadingHTTPServer(("127.0.0.1", 0), Counterpart) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def vendor(url: str) -> Iterator[Vendor]:
    with closing(Vendor(url=url, client_id="v", secret="s")) as client:
        yield client


def test_a_vendor_follows_link_to_the_last_page_with_one_token(vendor: Vendor) -> None:
    assert list(vendor.ids("users", limit=2)) == ["1", "2", "3"]
    assert vendor.total("users") == 3
    assert Counterpart.tokens == 1


def test_a_vendor_whose_token_has_ended_fetches_another(vendor: Vendor) -> None:
    Counterpart.refuse_first_token = True

    assert vendor.total("users") == 3
    assert Counterpart.tokens == 2


def test_what_is_not_there_yet_is_none(vendor: Vendor) -> None:
    assert vendor.one("classes", "class", "nothing") is None


def test_an_answer_without_its_list_or_its_count_is_named(vendor: Vendor) -> None:
    with pytest.raises(CommandFailed, match="courses came without its list"):
        vendor.some("courses")
    with pytest.raises(CommandFailed, match="courses came without a numeric X-Total-Count"):
        vendor.total("courses")


def test_the_public_library_accepts_the_signature_of_the_made_up_sis(url: str) -> None:
    now = datetime.now(UTC)
    with closing(Sender(url=url, name="demo-sis", secret=SECRET, about="data")) as sis:
        receipt = sis.send("users.upserted", {"givenName": "Zoë"}, message_id="msg_1", at=now)

    headers, body = Counterpart.bodies[0]
    said = Webhook(SECRET).verify(body, headers)
    assert said["type"] == "users.upserted"
    assert said["data"] == {"givenName": "Zoë"}
    assert (receipt.delivery_id, receipt.correlation_id) == ("d-1", "c-1")


def test_the_directory_is_counted_without_fetching_accounts(url: str) -> None:
    with closing(Directory(url=url, token="t")) as directory:
        assert directory.total() == 5
        assert directory.by_external_id("nobody") is None

    assert Counterpart.asked[0] == "/Users?count=0"


def test_two_accounts_of_one_person_are_an_error(url: str) -> None:
    with (
        closing(Directory(url=url, token="t")) as directory,
        pytest.raises(ValueError, match="2 accounts carry one externalId"),
    ):
        directory.by_external_id("twice")


def test_requests_are_counted_from_the_directorys_own_log(tmp_path: Path) -> None:
    log = tmp_path / "scim.log"
    log.write_text(
        "Serving SCIM\n"
        '127.0.0.1 - - [x] "POST /Users HTTP/1.1" 201 9\n'
        '127.0.0.1 - - [x] "POST /Bulk HTTP/1.1" 200 9\n'
        '127.0.0.1 - - [x] "GET /Users?filter=POST HTTP/1.1" 200 9\n',
        encoding="utf-8",
    )

    assert requests_by_method(log) == {"POST": 2, "GET": 1}
