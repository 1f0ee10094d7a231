"""From persons and classes on the log to groups in a directory that we did not write."""

from datetime import date, timedelta

import pytest

from roster_common.contracts.envelope import new_event
from roster_common.contracts.roster_class_v1 import ClassState, ClassTerm
from roster_common.contracts.roster_person_v1 import PersonClass, PersonRole
from roster_common.runtime.clock import SystemClock, Uuid7Ids
from tests.support.eventually import eventually

IDS = Uuid7Ids()
TODAY = SystemClock().now().date()
STUDENTS = "k12:school:hill:students"
STAFF = "k12:school:hill:staff"


@pytest.fixture
def grouped(world):
    """A world whose target wants groups of both kinds."""
    world.kinds_of_groups = ("school", "class")
    return world


async def test_people_of_a_school_and_of_a_class_are_in_their_groups(grouped, a_person, an_event):
    grouped.start()

    await grouped.tell(
        a_class("c1", title="Algebra", class_code="A-1"),
        an_event(a_person("p1", roles=at("hill"), classes=in_class("c1"))),
        an_event(a_person("p2", roles=at("hill"))),
        an_event(a_person("t1", roles=at("hill", "teacher"), classes=in_class("c1", "teacher"))),
        an_event(a_person("g1", roles=at("hill", "guardian"))),
    )

    await eventually(lambda: settled(grouped))
    assert await members(grouped) == {
        "k12:class:c1": {"p1", "t1"},
        STUDENTS: {"p1", "p2"},
        STAFF: {"t1"},
    }
    assert {g["externalId"]: g["displayName"] for g in await groups(grouped)} == {
        "k12:class:c1": "Algebra (A-1)",
        STUDENTS: "Hill School: students",
        STAFF: "Hill School: staff",
    }


def a_class(class_id, *, origin="webhook", correlation_id="why-class", **fields):
    values = {"status": "active", "title": "Algebra", "revision": 1, "school_id": "hill"}
    return new_event(
        ClassState(class_id=class_id, **(values | fields)),
        event_id=IDS.new_id(),
        time=SystemClock().now(),
        service="roster-publisher",
        district_id="north",
        correlation_id=correlation_id,
        origin=origin,
    )


def at(school_id, role="student", **fields):
    return (
        PersonRole(
            role=role,
            role_type="primary",
            org_id=school_id,
            org_type="school",
            org_name=f"{school_id.title()} School",
            **fields,
        ),
    )


def in_class(class_id, role="student", **dates):
    return (PersonClass(class_id=class_id, role=role, school_id="hill", **dates),)


async def groups(world):
    answer = await world.scim_request("GET", "/Groups", params={"count": "1000"})
    found = answer.json()["Resources"]
    assert len(found) == answer.json()["totalResults"]
    return found


async def members(world):
    """Person ids by the key of each group, as the directory shows them."""
    persons = {user["id"]: user["externalId"] for user in await world.users()}
    return {
        group["externalId"]: {persons[m["value"]] for m in group.get("members", ())}
        for group in await groups(world)
    }


async def settled(world):
    rows = await world.query(
        "SELECT (SELECT count(*) FROM directory_sync.dirty) AS people,"
        " (SELECT count(*) FROM directory_sync.dirty_group) AS groups,"
        " (SELECT count(*) FROM directory_sync.person) AS told"
    )
    return rows[0]["told"] > 0 and rows[0]["people"] == 0 and rows[0]["groups"] == 0
