"""The PowerSchool emulator, driven by a plain client: REST, subscriptions, data versions."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support.emulators import Emulator, emulator, every_page
from tests.support.eventually import eventually_sync

KEY = "which-powerschool"
TYPES = ("INSERT", "UPDATE", "DELETE")


class Receiver:
    """A web server that keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/knock"

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator("powerschool", folder=tmp_path_factory.mktemp("powerschool")) as running:
        yield running


@pytest.fixture
def sis(started: Emulator) -> Emulator:
    started.forget()
    started.client.delete(f"{started.told['restUrl']}/event_subscription", headers=started.token())
    started.forget()
    return started


def asking(sis: Emulator) -> dict[str, str]:
    return {**sis.token(), "Accept": "application/json"}


def get(sis: Emulator, path: str, **query: Any) -> Any:
    answer = sis.client.get(f"{sis.told['restUrl']}/{path}", params=query, headers=asking(sis))
    assert answer.status_code == 200, answer.text
    return answer.json()


def subscribe(sis: Emulator, receiver: Receiver, *resources: str) -> int:
    lines = [
        {"resource": f"/ws/v1/{name}/*", "event_type": kind} for name in resources for kind in TYPES
    ]
    answer = sis.client.put(
        f"{sis.told['restUrl']}/event_subscription",
        headers=sis.token(),
        json={
            "event_subscriptions": {
                "key": KEY,
                "callback_url": receiver.url,
                "event_subscription": lines,
            }
        },
    )
    return answer.status_code


def settled(sis: Emulator) -> dict[str, int]:
    """The counts when all is told."""

    def told() -> dict[str, int] | None:
        counts = sis.evidence()["notifications"]
        return counts if counts.get("made") and not counts["waiting"] else None

    return eventually_sync(told, what="all notifications told")


def test_pages_lead_to_every_student_once(sis: Emulator) -> None:
    found = [
        one["id"]
        for page in range(1, 5)
        for one in get(sis, "district/student", page=page, pagesize=17)["students"]["student"]
    ]

    count = get(sis, "district/student/count")["resource"]["count"]
    # Those who left are told of as well; other tests let some go.
    there = [one for one in sis.truth("students", limit=1_000)["records"] if not one["gone"]]
    assert len(set(found)) == len(found) == count == len(there)
    assert "student" not in get(sis, "district/student", page=5, pagesize=17)["students"]


def test_the_page_limit_of_metadata_holds(sis: Emulator) -> None:
    most = get(sis, "metadata")["metadata"]["student_max_page_size"]

    refused = sis.client.get(
        f"{sis.told['restUrl']}/district/student?pagesize={most + 1}", headers=asking(sis)
    )
    assert refused.status_code == 400


def test_a_list_of_one_is_an_object(sis: Emulator) -> None:
    several = get(sis, "school/1/section", pagesize=2)["sections"]["section"]
    alone = get(sis, "school/1/section", pagesize=1)["sections"]["section"]

    assert alone == several[0]


def test_two_tables_hold_the_same_numbers_and_a_person_one_for_each_school(sis: Emulator) -> None:
    assert get(sis, "student/1")["student"]["id"] == get(sis, "course/1")["course"]["id"] == 1
    everyone = sis.truth("staff", limit=100)["records"]
    twice = next(one for one in everyone if len(one["posts"]) == 2)
    rows = [get(sis, f"staff/{post['dcid']}")["staff"] for post in twice["posts"]]
    assert rows[0]["id"] != rows[1]["id"]
    assert {row["users_dcid"] for row in rows} == {twice["dcid"]}


def test_expansions_are_there_when_asked_for(sis: Emulator) -> None:
    bare = get(sis, "student/3")["student"]
    full = get(sis, "student/3", expansions="demographics, school_enrollment")["student"]

    assert full.keys() - bare.keys() == {"demographics", "school_enrollment"}
    assert full["school_enrollment"]["enroll_status"] == "A"
    assert full["state_province_id"] != full["state_province_id"].strip()


def test_a_request_must_ask_for_json(sis: Emulator) -> None:
    assert sis.client.get(f"{sis.told['restUrl']}/metadata", headers=sis.token()).status_code == 406


def test_a_subscription_replaces_the_one_before(sis: Emulator, receiver: Receiver) -> None:
    assert subscribe(sis, receiver, "student") == 201
    assert subscribe(sis, receiver, "section") == 204
    told = get(sis, "event_subscription")["event_subscriptions"]
    assert {line["resource"] for line in told["event_subscription"]} == {"/ws/v1/section/*"}

    sis.do("students/4/name", familyName="Ostwell")
    sis.do("sections")

    assert settled(sis) == {"made": 1, "waiting": 0, "sent": 1, "accepted": 1}
    (event,) = receiver.told()
    assert (event["entity"], event["event_type"], event["key"]) == ("section", "INSERT", KEY)


def test_a_notification_names_the_record_that_changed(sis: Emulator, receiver: Receiver) -> None:
    subscribe(sis, receiver, "student", "section_enrollment")
    new = sis.do("students")["records"][0]["dcid"]
    sis.do(f"students/{new}/delete")

    settled(sis)
    events = [one for one in receiver.told() if one["entity"] == "student"]
    assert [one["event_type"] for one in events] == ["INSERT", "DELETE"]
    assert {one["ref"] for one in events} == {f"{sis.told['restUrl']}/student/{new}"}
    gone = sis.client.get(events[0]["ref"], headers=asking(sis))
    assert gone.status_code == 404


def test_notifications_can_be_lost_doubled_and_swapped(sis: Emulator, receiver: Receiver) -> None:
    subscribe(sis, receiver, "student")

    def rename(*students: int) -> list[int]:
        receiver.bodies.clear()
        for dcid in students:
            sis.do(f"students/{dcid}/name", givenName="Delis")
        settled(sis)
        return [one["id"] for one in receiver.told()]

    sis.fault("lose")
    assert rename(5, 6) == [6]
    sis.fault("duplicate", amount=2)
    assert rename(5, 6) == [5, 5, 5, 6]
    sis.fault("reorder", amount=5)
    assert rename(5, 6, 7) == [6, 5, 7]
    sis.fault("delay", amount=0.1, times=2)
    assert rename(5, 6) == [5, 6]
    assert sis.evidence()["faults"] == {"lose": 1, "duplicate": 1, "reorder": 1, "delay": 2}


def test_nobody_at_the_callback_is_counted_and_not_tried_again(
    sis: Emulator, receiver: Receiver
) -> None:
    subscribe(sis, receiver, "student")
    receiver.server.server_close()

    sis.do("students/8/name", givenName="Irora")

    assert settled(sis) == {"made": 1, "waiting": 0, "sent": 1, "failed": 1}


@pytest.mark.parametrize("shape", ["json-nested", "xml"])
def test_other_shapes_carry_the_same(tmp_path: Path, receiver: Receiver, shape: str) -> None:
    with emulator("powerschool", "--notify", shape, folder=tmp_path) as sis:
        subscribe(sis, receiver, "student")
        sis.do("students/2/name", givenName="Irora")
        settled(sis)

    (body,) = receiver.bodies
    if shape == "xml":
        root = ET.fromstring(body)
        found = (root.get("key"), root.findtext(".//entity"), root.findtext(".//id"))
    else:
        told = json.loads(body)["event_notifications"]
        record = told["event_notification"][0]["student"]
        found = (told["key"], "student", str(record["id"]))
    assert found == (KEY, "student", "2")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "text/plain"}, b"x", 415),
        ({"Content-Type": "application/json"}, b"{", 500),
        ({"Content-Type": "application/json"}, b'{"event_subscriptions": {}}', 500),
    ],
)
def test_a_bad_subscription_is_refused_as_documented(
    sis: Emulator, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = sis.client.put(
        f"{sis.told['restUrl']}/event_subscription",
        headers={**sis.token(), **headers},
        content=body,
    )

    assert answer.status_code == status
    assert (
        sis.client.get(f"{sis.told['restUrl']}/event_subscription", headers=sis.token()).status_code
        == 404
    )


def test_a_data_version_gives_what_was_written_since(sis: Emulator) -> None:
    base = sis.told["dataVersionUrl"]
    start = sis.client.get(f"{base}/0", headers=asking(sis)).json()
    sis.do("students/11/withdraw")

    delta = sis.client.get(f"{base}/{start['$dataversion']}", headers=asking(sis)).json()

    tables = {name: rows for one in delta["tables"] for name, rows in one.items()}
    assert tables["STUDENTS"] == [{"id": 11}]
    assert len(tables["CC"]) == 6
    after = sis.client.get(f"{base}/{delta['$dataversion']}", headers=asking(sis)).json()
    assert after == {"$dataversion": delta["$dataversion"], "tables": []}
    other = base.replace("homeroom", "other")
    assert sis.client.get(f"{other}/0", headers=asking(sis)).status_code == 400


def test_too_soon_is_refused_with_the_seconds_to_wait(tmp_path: Path) -> None:
    interval_s = 60
    with emulator("powerschool", "--min-interval-ms", f"{interval_s}000", folder=tmp_path) as sis:
        address = f"{sis.told['restUrl']}/metadata"
        begun = time.monotonic()
        first, second = (sis.client.get(address) for _ in range(2))
        gone_s = time.monotonic() - begun

        assert first.status_code == 401
        assert second.status_code == 429
        wait_s = second.json()["seconds"]
        assert int(second.headers["retry-after"]) == wait_s
        assert interval_s - gone_s <= wait_s <= interval_s
        assert sis.evidence()["refusals"] == {"bad_token": 1, "throttled": 1}


def test_its_oneroster_has_blanks_around_ids_and_nulls(sis: Emulator) -> None:
    people = every_page(sis, f"{sis.told['oneRoster11Url']}/users", sis.token(), limit=100)

    ids = [one["sourcedId"] for one in people]
    assert any(one != one.strip() for one in ids)
    assert any(one["middleName"] is None for one in people)
    assert len({one.strip() for one in ids}) == len(ids)
