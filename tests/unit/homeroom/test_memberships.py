"""Group members by the published rule, from what a vendor and the directory show."""

from datetime import date
from typing import Any

from homeroom.demo.memberships import Rows, classes_in_force, in_directory, in_roster

TODAY = date(2026, 11, 25)
ORGS = [{"sourcedId": "s1", "type": "school"}, {"sourcedId": "d", "type": "district"}]
FALL = {"sourcedId": "fall", "startDate": "2026-08-01", "endDate": "2026-12-20"}
SPRING = {"sourcedId": "spring", "startDate": "2027-01-10", "endDate": "2027-06-20"}


def lesson(class_id: str, *terms: str, status: str = "active") -> dict[str, Any]:
    return {
        "sourcedId": class_id,
        "status": status,
        "terms": [{"sourcedId": term} for term in terms],
    }


def user(person: str, *roles: tuple[str, str], status: str = "active") -> dict[str, Any]:
    return {
        "sourcedId": person,
        "status": status,
        "roles": [{"role": role, "org": {"sourcedId": org}} for role, org in roles],
    }


def seat(person: str, role: str, class_id: str = "c1", **more: str) -> dict[str, Any]:
    return {
        "status": "active",
        "role": role,
        "class": {"sourcedId": class_id},
        "user": {"sourcedId": person},
        **more,
    }


def members(users: list[dict[str, Any]], seats: list[dict[str, Any]]) -> set[str]:
    rows = Rows(
        orgs=ORGS,
        users=users,
        enrollments=seats,
        classes=[lesson("c1", "fall"), lesson("c2", "spring")],
        sessions=[FALL, SPRING],
    )
    return in_roster(rows, today=TODAY)


def test_a_school_has_its_students_and_its_staff() -> None:
    users = [
        user("ann", ("student", "s1")),
        user("tom", ("teacher", "s1")),
        user("pat", ("parent", "s1")),
        user("adm", ("districtAdministrator", "d")),
        user("zoe", ("student", "s1"), status="tobedeleted"),
    ]

    assert members(users, []) == {"k12:school:s1:students/ann", "k12:school:s1:staff/tom"}


def test_a_class_has_those_who_sit_or_teach_in_it_today() -> None:
    seats = [
        seat("ann", "student", beginDate="2026-08-01", endDate="2026-11-26"),
        seat("tom", "teacher"),
        seat("pro", "proctor"),
        seat("old", "student", status="tobedeleted"),
        seat("was", "student", endDate="2026-11-25"),
        seat("new", "student", beginDate="2026-11-26"),
        seat("far", "student", "c2"),
    ]

    assert members([], seats) == {"k12:class:c1/ann", "k12:class:c1/tom"}


def test_a_class_is_in_force_from_its_first_term_to_its_last() -> None:
    classes = [
        lesson("fall", "fall"),
        lesson("spring", "spring"),
        lesson("both", "fall", "spring"),
        lesson("open"),
        lesson("gone", "fall", status="tobedeleted"),
    ]

    between = classes_in_force(classes, [FALL, SPRING], today=date(2026, 12, 31))

    assert classes_in_force(classes, [FALL, SPRING], today=TODAY) == {"fall", "both", "open"}
    assert between == {"both", "open"}


def test_members_of_groups_are_told_by_person_and_a_stranger_is_seen() -> None:
    groups = [
        {"externalId": "k12:class:c1", "members": [{"value": "a-1"}, {"value": "a-9"}]},
        {"externalId": "k12:class:c2"},
    ]

    assert in_directory(groups, {"a-1": "ann"}) == ["k12:class:c1/ann", "k12:class:c1/nobody"]
