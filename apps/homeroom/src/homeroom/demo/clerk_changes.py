"""Single changes typed at an emulated SIS, each followed to every copy: the story's chapters.

The clerk types; how it reaches us (a notification that only hints, or the next poll) is the
business of the source.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from homeroom.demo import sights
from homeroom.demo.cast import Actor, Cast
from homeroom.demo.chapter import chapter
from homeroom.demo.live_changes import enabled, request_is_open, still, user
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.office import Office

Record = Mapping[str, Any]


def tell_changes(outside: Outside, office: Office, cast: Cast) -> None:
    """Tell all chapters, each about a student of its own."""
    _enrol(outside, office, cast)
    _rename(outside, office, cast.renamed)
    _move_class(outside, office, cast)
    _move_school(outside, office, cast)
    _withdraw(outside, office, cast)


def _enrol(outside: Outside, office: Office, cast: Cast) -> None:
    school, lesson = office.number("schools", cast.home), cast.home_classes[0]
    class_id = str(lesson["sourcedId"])
    section = office.number("sections", class_id)
    with chapter(outside, "newStudent", "A new student is enrolled") as told:
        typed = told.type(
            "students",
            school=school,
            sections=[section],
            givenName="Marigold",
            familyName="Newcomb",
        )
        person_id = _ours(office, typed, "students")[0]
        (seat,) = _ours(office, typed, "enrolments")
        outside.expected.active.add(person_id)
        outside.expected.joined.add(person_id)
        told.watch(
            sights.roster("user and enrolment", lambda: _seated(outside, person_id, [seat])),
            *sights.one_school_sees(outside, cast, person_id, status="active"),
            sights.directory("a new account, enabled", lambda: enabled(outside, person_id)),
            *sights.group_has(told, cast, person_id, class_id),
            sights.help_desk(
                "one device request, open", lambda: request_is_open(outside, person_id)
            ),
        )
        requests = outside.operator.device_requests(person_id=person_id)
        told.demand("one new student gives one device request", len(requests) == 1)
        told.ids.update(
            person=person_id,
            account=outside.account_of(person_id)["id"],
            deviceRequest=requests[0]["requestId"],
        )


def _rename(outside: Outside, office: Office, student: Actor) -> None:
    person_id = student.person_id
    account = outside.account_of(person_id)
    name = f"Renamed-{outside.ids.new_id()[-6:]}"
    number = office.number("students", person_id)
    with chapter(outside, "changedName", "A student has another family name") as told:
        told.ids.update(person=person_id, account=account["id"])
        told.type(f"students/{number}/name", familyName=name)
        told.watch(
            sights.roster("the new name", lambda: user(outside, person_id)["familyName"] == name),
            sights.directory(
                "the new name, same account",
                lambda: outside.directory.account(account["id"])["name"]["familyName"] == name,
            ),
        )
        still(outside, told, person_id, account["id"])


def _move_class(outside: Outside, office: Office, cast: Cast) -> None:
    student, old = cast.class_mover, cast.class_mover.places[0]
    person_id = student.person_id
    taken = {place.class_id for place in student.places}
    class_id = next(
        str(one["sourcedId"]) for one in cast.home_classes if one["sourcedId"] not in taken
    )
    account = outside.account_of(person_id)
    number = office.number("students", person_id)
    left, taken_up = (office.number("sections", one) for one in (old.class_id, class_id))
    with chapter(outside, "classMove", "A student moves to another class") as told:
        told.ids.update(person=person_id, account=account["id"])
        told.ids.update(leftClass=old.class_id, newClass=class_id)
        typed = told.type(f"students/{number}/class", **{"from": left, "to": taken_up})
        seats = _ours(office, [one for one in typed if not one.get("dropped")], "enrolments")
        told.watch(
            sights.roster(
                "the new seat, the old one to be deleted",
                lambda: (
                    _seated(outside, person_id, seats)
                    and sights.is_gone(outside, ("enrollments", "enrollment", old.enrollment_id))
                ),
            ),
            *sights.group_has(told, cast, person_id, class_id, lost=old.class_id),
        )
        still(outside, told, person_id, account["id"])


def _move_school(outside: Outside, office: Office, cast: Cast) -> None:
    student = cast.school_mover
    person_id = student.person_id
    account = outside.account_of(person_id)
    number = office.number("students", person_id)
    school = office.number("schools", cast.other)
    with chapter(outside, "schoolMove", "A student moves to another school") as told:
        told.ids.update(person=person_id, account=account["id"])
        told.ids.update(leftSchool=cast.home, newSchool=cast.other)
        typed = told.type(f"students/{number}/school", to=school)
        seats = _ours(office, [one for one in typed if not one.get("dropped")], "enrolments")
        told.watch(
            sights.roster(
                "the other school and its seats",
                lambda: (
                    _schools(outside, person_id) == {cast.other}
                    and _seated(outside, person_id, seats)
                    and _left(outside, student)
                ),
            ),
            *sights.one_school_sees(outside, cast, person_id, status="tobedeleted"),
        )
        still(outside, told, person_id, account["id"])


def _withdraw(outside: Outside, office: Office, cast: Cast) -> None:
    person_id = cast.leaver.person_id
    account = outside.account_of(person_id)
    number = office.number("students", person_id)
    outside.expected.active.discard(person_id)
    outside.expected.withdrawn.add(person_id)
    with chapter(outside, "withdrawal", "A student leaves the district") as told:
        told.ids.update(person=person_id, account=account["id"])
        told.type(f"students/{number}/withdraw")
        told.watch(
            sights.roster(
                "the user to be deleted",
                lambda: sights.is_gone(outside, ("users", "user", person_id)),
            ),
            *sights.one_school_sees(outside, cast, person_id, status="tobedeleted"),
            sights.directory(
                "the same account, disabled",
                lambda: outside.directory.account(account["id"])["active"] is False,
            ),
            *sights.device_collected(told, person_id),
        )
        if person_id in outside.holders:
            outside.expected.devices_to_collect.add(person_id)


def _ours(office: Office, records: Sequence[Record], table: str) -> list[str]:
    return sorted(office.ids(one for one in records if one["table"] == table))


def _seated(outside: Outside, person_id: str, seats: Sequence[str]) -> bool:
    return sights.is_active(outside, ("users", "user", person_id)) and all(
        sights.is_active(outside, ("enrollments", "enrollment", one)) for one in seats
    )


def _left(outside: Outside, student: Actor) -> bool:
    return all(
        sights.is_gone(outside, ("enrollments", "enrollment", place.enrollment_id))
        for place in student.places
    )


def _schools(outside: Outside, person_id: str) -> set[str]:
    roles = user(outside, person_id).get("roles") or ()
    return {str(role["org"]["sourcedId"]) for role in roles}
