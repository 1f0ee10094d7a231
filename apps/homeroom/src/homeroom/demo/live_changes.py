"""Single changes by webhook, each followed to every copy: the chapters of the story.

Every chapter has a student of its own and can be told without the others.
"""

from typing import Any

from homeroom.demo import changes, sights
from homeroom.demo.cast import Actor, Cast
from homeroom.demo.chapter import Chapter, chapter
from homeroom.demo.outside import Outside

MOST_NEW_CLASSES = 3


def enrol_new_student(outside: Outside, cast: Cast) -> None:
    """A student nobody knew takes a seat in a class; everybody downstream hears of it."""
    lesson = cast.home_classes[0]
    number = outside.ids.new_id()[-6:]
    person_id, place_id = f"student-new-{number}", f"enroll-new-{number}"
    class_id = str(lesson["sourcedId"])
    grade = (lesson.get("grades") or ["05"])[0]
    student = changes.new_student(person_id, school_id=cast.home, grade=grade)
    place = changes.enrollment(
        place_id, person_id=person_id, class_id=class_id, school_id=cast.home
    )
    accounts = outside.directory.total()
    outside.expected.active.add(person_id)
    outside.expected.joined.add(person_id)
    with chapter(outside, "newStudent", "A new student is enrolled") as told:
        told.say([("users.upserted", student), ("enrollments.upserted", place)])
        told.watch(
            sights.roster(
                "user and enrolment",
                lambda: (
                    sights.is_active(outside, ("users", "user", person_id))
                    and sights.is_active(outside, ("enrollments", "enrollment", place_id))
                ),
            ),
            *sights.one_school_sees(outside, cast, person_id, status="active"),
            sights.directory(
                "a new account, enabled",
                lambda: outside.directory.total() > accounts and enabled(outside, person_id),
            ),
            *sights.group_has(told, cast, person_id, class_id),
            sights.help_desk(
                "one device request, open", lambda: request_is_open(outside, person_id)
            ),
            sights.names(
                "username and e-mail that the directory found",
                lambda: all(user(outside, person_id).get(name) for name in ("username", "email")),
            ),
        )
        account = outside.account_of(person_id)
        requests = outside.operator.device_requests(person_id=person_id)
        told.demand("one new student gives one device request", len(requests) == 1)
        told.ids.update(
            person=person_id, account=account["id"], deviceRequest=requests[0]["requestId"]
        )
        told.demand("roster and directory have one name", _same_names(outside, person_id))
        shown = outside.one_school.one("users", "user", person_id) or {}
        told.demand("the one-school vendor is shown no e-mail", not shown.get("email"))


def change_a_name(outside: Outside, cast: Cast) -> None:
    """A student has another family name from now on."""
    student = cast.renamed
    account = outside.account_of(student.person_id)
    name = f"Renamed-{outside.ids.new_id()[-6:]}"
    with chapter(outside, "changedName", "A student has another family name") as told:
        told.ids.update(person=student.person_id, account=account["id"])
        told.say([("users.upserted", changes.renamed(student.user, family_name=name))])
        told.watch(
            sights.roster(
                "the new name", lambda: user(outside, student.person_id)["familyName"] == name
            ),
            sights.directory(
                "the new name, same account",
                lambda: outside.directory.account(account["id"])["name"]["familyName"] == name,
            ),
        )
        still(outside, told, student.person_id, account["id"])


def move_to_another_class(outside: Outside, cast: Cast) -> None:
    """A student leaves one class and takes a seat in another of the same school."""
    student, old = cast.class_mover, cast.class_mover.places[0]
    taken = {place.class_id for place in student.places}
    class_id = next(
        str(one["sourcedId"]) for one in cast.home_classes if one["sourcedId"] not in taken
    )
    place_id = f"enroll-new-{outside.ids.new_id()[-6:]}"
    place = changes.enrollment(
        place_id, person_id=student.person_id, class_id=class_id, school_id=cast.home
    )
    account = outside.account_of(student.person_id)
    with chapter(outside, "classMove", "A student moves to another class") as told:
        told.ids.update(person=student.person_id, account=account["id"])
        told.ids.update(leftClass=old.class_id, newClass=class_id)
        told.say(
            [
                ("enrollments.upserted", place),
                ("enrollments.deleted", changes.gone(old.enrollment_id)),
            ]
        )
        told.watch(
            sights.roster(
                "the new seat, the old one to be deleted",
                lambda: (
                    sights.is_active(outside, ("enrollments", "enrollment", place_id))
                    and sights.is_gone(outside, ("enrollments", "enrollment", old.enrollment_id))
                ),
            ),
            *sights.group_has(told, cast, student.person_id, class_id, lost=old.class_id),
        )
        still(outside, told, student.person_id, account["id"])


def move_to_another_school(outside: Outside, cast: Cast) -> None:
    """A student goes on at another school of the district, which is no leaving."""
    student = cast.school_mover
    account = outside.account_of(student.person_id)
    said: list[tuple[str, dict[str, Any]]] = [
        ("users.upserted", changes.moved(student.user, school_id=cast.other))
    ]
    places: list[str] = []
    for lesson in cast.other_classes[:MOST_NEW_CLASSES]:
        place_id = f"enroll-new-{outside.ids.new_id()[-6:]}-{len(places)}"
        place = changes.enrollment(
            place_id,
            person_id=student.person_id,
            class_id=str(lesson["sourcedId"]),
            school_id=cast.other,
        )
        places.append(place_id)
        said.append(("enrollments.upserted", place))
    said += [("enrollments.deleted", changes.gone(p.enrollment_id)) for p in student.places]
    with chapter(outside, "schoolMove", "A student moves to another school") as told:
        told.ids.update(person=student.person_id, account=account["id"])
        told.ids.update(leftSchool=cast.home, newSchool=cast.other)
        told.say(said)
        told.watch(
            sights.roster("the other school and its seats", lambda: _moved(outside, cast, places)),
            *sights.one_school_sees(outside, cast, student.person_id, status="tobedeleted"),
            *sights.group_has(
                told,
                cast,
                student.person_id,
                str(cast.other_classes[0]["sourcedId"]),
                lost=student.places[0].class_id,
            ),
        )
        still(outside, told, student.person_id, account["id"])


def withdraw(outside: Outside, cast: Cast) -> None:
    """A student leaves the district: the account is disabled, the device is to be collected."""
    student = cast.leaver
    person_id = student.person_id
    account = outside.account_of(person_id)
    outside.expected.active.discard(person_id)
    outside.expected.withdrawn.add(person_id)
    said = [("enrollments.deleted", changes.gone(p.enrollment_id)) for p in student.places]
    said.append(("users.deleted", changes.gone(person_id)))
    with chapter(outside, "withdrawal", "A student leaves the district") as told:
        told.ids.update(person=person_id, account=account["id"])
        told.say(said)
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


def user(outside: Outside, person_id: str) -> dict[str, Any]:
    """Return the user as the whole-district vendor is served it now."""
    return dict(outside.vendor.one("users", "user", person_id) or {"familyName": None})


def enabled(outside: Outside, person_id: str) -> bool:
    """Whether an account of the person is there and may be used."""
    account = outside.directory.by_external_id(person_id)
    return account is not None and account["active"] is True


def request_is_open(outside: Outside, person_id: str) -> bool:
    """Whether a device is asked for, for the person."""
    requests = outside.operator.device_requests(person_id=person_id)
    return any(request["state"] == "open" for request in requests)


def _moved(outside: Outside, cast: Cast, places: list[str]) -> bool:
    student: Actor = cast.school_mover
    roles = user(outside, student.person_id).get("roles") or ()
    return (
        {role["org"]["sourcedId"] for role in roles} == {cast.other}
        and all(sights.is_active(outside, ("enrollments", "enrollment", one)) for one in places)
        and all(
            sights.is_gone(outside, ("enrollments", "enrollment", one.enrollment_id))
            for one in student.places
        )
    )


def _same_names(outside: Outside, person_id: str) -> bool:
    shown, account = user(outside, person_id), outside.account_of(person_id)
    emails = {email["value"] for email in account.get("emails") or ()}
    return shown["username"] == account["userName"] and shown["email"] in emails


def still(outside: Outside, told: Chapter, person_id: str, account_id: str) -> None:
    """Nothing of a leaver: the same account is enabled, no second one, no work for devices."""
    account = outside.account_of(person_id)
    told.demand("the account is the same", account["id"] == account_id)
    told.demand("the account is enabled", account["active"] is True)
    asked = outside.operator.device_requests(person_id=person_id)
    told.demand("no device was asked for", not asked)
    collecting = sights.collections(outside, person_id)
    told.demand("no device is to be collected", not collecting)
