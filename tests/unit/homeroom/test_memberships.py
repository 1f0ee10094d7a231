"""Group members by the published rule, from what a vendor and the directory show."""

from typing import Any

from homeroom.demo.memberships import dated, in_directory, in_roster

ORGS = [{"sourcedId": "s1", "type": "school"}, {"sourcedId": "d", "type": "district"}]


def user(person: str, *roles: tuple[str, str], status: str = "active") -> dict[str, Any]:
    return {
        "sourcedId": person,
        "status": status,
        "roles": [{"role": role, "org": {"sourcedId": org}} for role, org in roles],
    }


def seat(person: str, role: str, status: str = "active") -> dict[str, Any]:
    return {
        "status": status,
        "role": role,
        "class": {"sourcedId": "c1"},
        "user": {"sourcedId": person},
    }


def test_students_and_staff_of_a_school_and_those_who_sit_or_teach_in_a_class() -> None:
    users = [
        user("ann", ("student", "s1")),
        user("tom", ("teacher", "s1")),
        user("pat", ("parent", "s1")),
        user("adm", ("districtAdministrator", "d")),
        user("zoe", ("student", "s1"), status="tobedeleted"),
    ]
    seats = [
        seat("ann", "student"),
        seat("tom", "teacher"),
        seat("pro", "proctor"),
        seat("old", "student", status="tobedeleted"),
    ]

    assert in_roster(users, seats, ORGS) == {
        "k12:school:s1:students/ann",
        "k12:school:s1:staff/tom",
        "k12:class:c1/ann",
        "k12:class:c1/tom",
    }


def test_members_of_groups_are_told_by_person_and_a_stranger_is_seen() -> None:
    groups = [
        {"externalId": "k12:class:c1", "members": [{"value": "a-1"}, {"value": "a-9"}]},
        {"externalId": "k12:class:c2"},
    ]

    assert in_directory(groups, {"a-1": "ann"}) == ["k12:class:c1/ann", "k12:class:c1/nobody"]


def test_rows_with_a_day_are_noticed() -> None:
    assert not dated([seat("ann", "student")])
    assert dated([seat("ann", "student"), {**seat("bob", "student"), "endDate": "2026-12-01"}])
