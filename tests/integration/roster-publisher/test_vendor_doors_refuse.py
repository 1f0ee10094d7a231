"""What no store can keep and no calendar has is refused at the doors of vendors, by its field."""

import pytest

from roster_publisher.domain.collections import ROSTER
from tests.support.administering import DOORS, SCOPES, Replica, ids

PLACES = [(verb, path.replace("app", "a%00b"), body) for verb, path, body, _ in DOORS[1:]]


@pytest.mark.parametrize(
    ("verb", "path", "body"), [place for place in PLACES if place[1] != "/vendors"]
)
async def test_no_door_asks_the_store_for_a_client_with_a_nul(
    one: Replica, verb: str, path: str, body: object
) -> None:
    answer = await one.ask(verb, path, body)

    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["field"], fault["location"]) == ("client", "path")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("expires", '"expires":"9999-12-31T23:59:59-14:00"'),
        ("rate", '"rate":5e-324,"burst":1'),
        ("rate", '"rate":NaN,"burst":1'),
        ("transform.*.*", r'"transform":{"metadata.\u0000":"drop"}'),
        ("transform.*.*", r'"transform":{"metadata.\ud800":"drop"}'),
    ],
)
async def test_what_cannot_be_kept_or_counted_is_no_order(
    one: Replica, field: str, text: str
) -> None:
    answer = await one.http.post(
        "/vendors?district=d1",
        content=f'{{"id":"app","scopes":["{ROSTER}"],{text}}}',
        headers=one.as_() | {"content-type": "application/json"},
    )

    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("from", "0001-01-01T00:00:00+14:00"),
        ("to", "9999-12-31T23:59:59-14:00"),
        ("before", "1-9223372036854775808"),
        ("before", "1--1"),
    ],
)
async def test_an_audit_is_asked_only_for_times_and_places_there_are(
    one: Replica, field: str, text: str
) -> None:
    answer = await one.ask("GET", "/vendors/app/audit", **{field: text})

    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


async def test_a_preview_is_found_by_the_parts_of_its_path(one: Replica) -> None:
    await one.make("preview", schools=["s2"])
    await one.make("app")

    named = await one.ask("GET", "/vendors/preview/preview/users")
    encoded = await one.ask("GET", "/vendors/app/%70review/users/amy")
    inside = await one.ask("GET", "/vendors/app/preview%2Fusers")

    assert ids(named) == ["amy"]
    assert encoded.json()["user"]["sourcedId"] == "amy"
    assert (inside.status_code, inside.json()["code"]) == (404, "not_found")


async def test_a_dry_run_says_that_an_id_is_in_use(one: Replica) -> None:
    await one.make()

    tried = await one.ask("POST", "/vendors", {"id": "app", "scopes": SCOPES}, dryRun="true")

    assert (tried.status_code, tried.json()["code"]) == (409, "vendor_taken")
