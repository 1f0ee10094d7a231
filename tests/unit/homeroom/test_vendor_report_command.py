"""`homeroom vendors report` shows what a vendor has of one person, and says when that is nothing."""

import json
from typing import Any

from homeroom.services import ROSTER_PUBLISHER
from tests.support.tiny_homeroom import Run, TinyHomeroom

AT = "GET /vendors/study/people/p-1"
RECORD = {
    "kind": "user",
    "id": "p-1",
    "state": "left",
    "since": "2026-11-25T10:00:00.123456Z",
    "changed": "2026-11-26T10:00:00Z",
    "tombstone": "2026-11-26T10:00:00Z",
    "pulled": None,
    "fields": [
        {"name": "email", "transform": "hash"},
        {"name": "givenName", "transform": None},
    ],
}


def page(*records: dict[str, Any], **more: Any) -> dict[str, Any]:
    agreement = {"reference": "2026-17", "purpose": "a study", "ends": None, "inForce": True}
    return {
        "client": "study",
        "district": "demo",
        "personId": "p-1",
        "agreement": agreement,
        "grantChanged": None,
        "told": "2026-11-26T10:00:01Z",
        "records": list(records),
    } | more


def test_records_with_fields_and_times(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(ROSTER_PUBLISHER, AT, page(RECORD))

    ran = run(tiny, "vendors", "report", "study", "p-1", "--district", "demo")

    assert [line.split() for line in ran.out.splitlines()] == [
        ["agreement", "2026-17,", "in", "force,", "without", "end"],
        ["purpose", "a", "study"],
        ["last", "told", "by", "webhook", "2026-11-26", "10:00:01.000Z"],
        ["record", "id", "state", "since", "changed", "tombstone", "pulled", "fields"],
        ["user", "p-1", "left", "2026-11-25", "10:00:00.123Z", "2026-11-26", "10:00:00.000Z",
         "2026-11-26", "10:00:00.000Z", "-", "email(hash)", "givenName"],
    ]  # fmt: skip
    assert ran.code == 0


def test_nothing_is_said_so_and_is_no_success(tiny: TinyHomeroom, run: Run) -> None:
    ended = {"reference": None, "purpose": None, "ends": "2026-11-26T10:00:00Z", "inForce": False}
    tiny.says(ROSTER_PUBLISHER, AT, page(agreement=ended, told=None))

    ran = run(tiny, "vendors", "report", "study", "p-1", "--district", "demo")

    assert ran.out.splitlines() == [
        "agreement -, ended, 2026-11-26 10:00:00.000Z",
        "this vendor has nothing of this person",
    ]
    assert ran.code == 1


def test_json_is_the_page_of_the_service(tiny: TinyHomeroom, run: Run) -> None:
    tiny.says(ROSTER_PUBLISHER, AT, page(RECORD))

    ran = run(tiny, "vendors", "report", "study", "p-1", "--district", "demo", "--json")

    assert json.loads(ran.out) == page(RECORD)
    assert ran.code == 0
