"""Neighbours ask again while a service is away: the same request, and not for ever."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import httpx2
import pytest

from homeroom.demo.outsiders.sender import Sender
from homeroom.layout import Ports
from homeroom.operator_client import CHUNK_BYTES, OperatorClient
from homeroom.parts.processes import ChildFailed
from homeroom.patience import Patience, PatientClient

PATIENT = Patience(within_s=10.0)
SECRET = "whsec_ZGVtby13ZWJob29rLXNlY3JldA=="
RECEIPT = b'{"deliveryId": "d-1", "correlationId": "c-1", "runId": "r-1"}'
DROP = 0


class Away(BaseHTTPRequestHandler):
    """Answers in the order of `script`, the last for ever; DROP hangs up without an answer."""

    script: ClassVar[list[int]] = []
    headers_seen: ClassVar[list[dict[str, str]]] = []
    bodies: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        Away.headers_seen.append({name.lower(): value for name, value in self.headers.items()})
        Away.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        status = Away.script.pop(0) if len(Away.script) > 1 else Away.script[0]
        if status == DROP:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(RECEIPT)))
        self.end_headers()
        self.wfile.write(RECEIPT)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    Away.headers_seen, Away.bodies = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Away) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_webhook_that_got_no_answer_is_sent_again_as_the_same_delivery(port: int) -> None:
    Away.script = [DROP, 503, 202]
    now = datetime.now(UTC)

    sis = Sender(
        url=f"http://127.0.0.1:{port}", name="s", secret=SECRET, about="data", patience=PATIENT
    )
    with closing(sis):
        receipt = sis.send("users.upserted", {"sourcedId": "1"}, message_id="msg_1", at=now)

    assert receipt.delivery_id == "d-1"
    assert [seen["webhook-id"] for seen in Away.headers_seen] == ["msg_1"] * 3
    assert len({seen["webhook-signature"] for seen in Away.headers_seen}) == 1
    assert len(set(Away.bodies)) == 1


def test_an_upload_that_was_cut_off_begins_again_from_its_first_byte(
    port: int, tmp_path: Path
) -> None:
    Away.script = [DROP, 202]
    file = tmp_path / "district.zip"
    file.write_bytes(b"first" + b"x" * CHUNK_BYTES + b"last")
    sent: list[int] = []

    with closing(OperatorClient(ports=Ports(base=port), token="t", patience=PATIENT)) as operator:
        run = operator.upload("demo-sis", file, on_bytes=sent.append)

    assert run["runId"] == "r-1"
    assert Away.bodies == [file.read_bytes()] * 2
    assert sent[-1] == file.stat().st_size


def test_a_refusal_is_an_answer_and_not_repeated(port: int) -> None:
    Away.script = [422]

    with PatientClient(PATIENT) as client:
        answer = client.post(f"http://127.0.0.1:{port}/", content=b"")

    assert answer.status_code == 422
    assert len(Away.bodies) == 1


def test_patience_ends_with_the_last_answer(port: int) -> None:
    Away.script = [503]

    with PatientClient(Patience(within_s=2.0)) as client:
        answer = client.post(f"http://127.0.0.1:{port}/", content=b"")

    assert answer.status_code == 503
    assert len(Away.bodies) > 1


def test_without_patience_the_first_failure_is_the_callers(port: int) -> None:
    Away.script = [DROP, 202]

    with PatientClient(Patience()) as client, pytest.raises(httpx2.TransportError):
        client.post(f"http://127.0.0.1:{port}/", content=b"")

    assert len(Away.bodies) == 1


def test_nobody_waits_for_what_cannot_come_back(port: int) -> None:
    Away.script = [503]

    def hopeless() -> None:
        if Away.bodies:
            raise ChildFailed("sis-ingest", "ended with exit code 1", tail="")

    with (
        PatientClient(Patience(within_s=60.0, check=hopeless)) as client,
        pytest.raises(ChildFailed, match="sis-ingest"),
    ):
        client.post(f"http://127.0.0.1:{port}/", content=b"")
