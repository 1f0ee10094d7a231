"""A chapter times what outsiders see, keeps it for the evidence, and names the place that failed."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from homeroom.demo.archive import write_archive
from homeroom.demo.chapter import LOG, ROSTER, Sight, chapter
from homeroom.demo.district import District
from homeroom.demo.mass_withdrawal import TITLE, lose_a_third
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.directory import Directory
from homeroom.demo.outsiders.sender import Sender
from homeroom.demo.outsiders.vendor import Vendor
from homeroom.demo.run import timelines
from homeroom.display import Display
from homeroom.errors import CommandFailed
from homeroom.journal import Journal
from homeroom.layout import Ports
from homeroom.operator_client import OperatorClient
from homeroom.services import SERVICES
from roster_common.runtime.clock import SystemClock, Uuid7Ids

SECRET = "whsec_ZGVtby13ZWJob29rLXNlY3JldA=="
CHANGE = ("users.upserted", {"sourcedId": "p-1"})
STEP = {"at": "2026-11-25T10:00:00Z", "what": "records.changed", "district": "demo"}


class Ingest(BaseHTTPRequestHandler):
    """Accepts everything; its trace shows the change from the second look on."""

    looks: ClassVar[int] = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(202, {"deliveryId": "d-1", "correlationId": "c-1"})

    def do_GET(self) -> None:
        Ingest.looks += 1
        self._answer(200, {"steps": [STEP] if Ingest.looks > 1 else []})

    def _answer(self, code: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def outside() -> Iterator[Outside]:
    Ingest.looks = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Ingest) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with closing(
            Outside(
                journal=Journal(display=Display(plain=True)),
                vendor=Vendor(url=url, client_id="v", secret="s"),
                one_school=Vendor(url=url, client_id="o", secret="s"),
                directory=Directory(url=url, token="t"),
                sis=Sender(url=url, name="demo-sis", secret=SECRET, about="data"),
                desk=Sender(url=url, name="demo-desk", secret=SECRET, about="ticket"),
                operator=OperatorClient(ports=Ports(base=server.server_port), token="t"),
                clock=SystemClock(),
                ids=Uuid7Ids(),
                check=lambda: None,
                directory_writes=lambda: 0,
                one_school_org="school-001",
            )
        ) as found:
            for service in SERVICES:
                trace = (service.name, "/trace/{correlation_id}")
                found.known_pages[trace] = service.name == "sis-ingest"
            yield found
        server.shutdown()
        thread.join()


def roster(seen: bool) -> Sight:
    return Sight(place=ROSTER, owner="roster-publisher", what="the user", seen=lambda: seen)


def test_every_place_is_timed_and_the_chapter_stands_in_the_evidence(outside: Outside) -> None:
    with chapter(outside, "newStudent", "A new student") as told:
        told.say([CHANGE])
        told.watch(roster(seen=True))

    kept = outside.found["chapters"]["newStudent"]
    assert kept["ms"].keys() == {"accepted", ROSTER, LOG}
    assert 0 < kept["ms"]["accepted"] < kept["ms"][LOG]
    assert (kept["correlationIds"], kept["deliveryIds"]) == (["c-1"], ["d-1"])
    assert kept["trace"] == [{"service": "sis-ingest", **STEP}]
    assert [one["what"] for one in outside.found["leftOut"]] == [
        f"A new student: the trace of {service.name}" for service in SERVICES[1:]
    ]
    assert {step.name for step in outside.journal.done} == {
        "A new student: accepted",
        "A new student: in the roster API",
        "A new student: on the log",
    }


def test_the_place_where_it_does_not_come_is_the_step_that_failed(outside: Outside) -> None:
    def gave_up() -> None:
        if LOG in outside.found["chapters"]["newStudent"]["ms"]:
            raise CommandFailed("roster-publisher cannot start")

    outside.check = gave_up

    with chapter(outside, "newStudent", "A new student") as told:
        told.say([CHANGE])
        with pytest.raises(CommandFailed, match="cannot start"):
            told.watch(roster(seen=False))

    assert outside.journal.current is not None
    assert outside.journal.current.name == "A new student: in the roster API"
    assert outside.journal.current.owner == "roster-publisher"


def test_what_does_not_hold_is_said_in_words(outside: Outside) -> None:
    said = "A move: it does not hold that the account is enabled"
    with chapter(outside, "move", "A move") as told, pytest.raises(CommandFailed, match=said):
        told.demand("the account is enabled", False)


def test_timelines_have_a_row_per_chapter_and_a_column_per_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chapters = {
        "newStudent": {"ms": {"accepted": 7.4, LOG: 20.0, ROSTER: 31.0}},
        "classMove": {"ms": {"accepted": 8.0, LOG: 21.0}},
        "massWithdrawal": {"ms": {"accepted": 9.0, "held": 400.0}},
    }

    timelines(Display(plain=True), chapters)

    rows = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in row.strip("│┃").split("│")] for row in rows if "│" in row]
    assert cells == [["new student", "7", "20", "31"], ["class move", "8", "21", ""]]


def test_a_district_too_small_for_a_mass_withdrawal_is_said_and_kept(
    outside: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.zip"
    write_archive(District(students=26, seed=1, school_year=2027), file)

    lose_a_third(outside, file, shrunken=tmp_path / "shrunken.zip")

    assert outside.found["leftOut"] == [
        {"what": TITLE, "why": "26 students are too few to lose 26 of them"}
    ]
    assert f"left out: {TITLE}: 26 students" in capsys.readouterr().out
