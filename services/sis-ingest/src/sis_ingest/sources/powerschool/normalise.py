"""PowerSchool's records to canonical OneRoster 1.2 records. Pure.

Everything is keyed by DCID. Two tables hold the same numbers and one space of ids holds students
and staff, so a word stands before each: `student-17`, `staff-17`. What one record cannot know by
itself (a school's DCID by its number, a course's name, a teacher's person) the client puts beside
it under a name with `$`. Source of fields: README.md.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from roster_common.contracts.oneroster import OBJECTS, to_record
from roster_common.contracts.validation import read_object
from roster_common.errors import Invalid
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import canonical
from sis_ingest.ports.pulls import Fact, Item, Piece
from sis_ingest.sources.powerschool.fields import (
    at_work,
    inner,
    number_of,
    posts_of,
    ref_to,
    text_of,
    works,
)

ENTITIES: Final[Mapping[Entity, tuple[str, ...]]] = {
    "org": ("district", "schools"),
    "academicSession": ("terms",),
    "course": ("courses",),
    "class": ("sections",),
    "user": ("staff", "students"),
    "demographics": ("students",),
    "enrollment": ("sections", "section_enrollments"),
}
GONE: Final = "$gone"
DISTRICT: Final = "district"
_ACTIVE: Final = "A"
_TEACHER: Final = 1
_SEX: Final = {"M": "male", "F": "female"}
# `portion` is the share of the year: 1 the whole, 2 a half.
_SESSION_TYPES: Final = {1: "schoolYear", 2: "semester"}


class PowerSchoolWording:
    """`ports.pulls.Wording`."""

    def pieces(self, entity: Entity, section: str, item: Item) -> Iterable[Piece]:
        """See the port."""
        external_id = _ids(entity, section, item)
        return () if external_id is None else (Piece(external_id=external_id, content=item),)

    def read(self, entity: Entity, section: str, piece: Piece) -> Fact:
        """See the port."""
        item = piece.content
        if item.get(GONE):
            return Fact(record=None, deleted=True)
        over = _is_over(section, item)
        try:
            body = {"sourcedId": piece.external_id, **_BUILDERS[entity, section](item)}
            kept = {name: value for name, value in body.items() if value not in ("", None, [])}
            record = canonical(to_record(read_object(OBJECTS[entity], kept)))
        except Invalid:
            if over:
                # Who has left may stand at a school that the district does not list.
                return Fact(record=None, deleted=True)
            raise
        return Fact(record=record, deleted=over)


def gone(section: str, item_id: str) -> Item:
    """What stands for a record that is there no more."""
    return {"id": int(item_id), GONE: True, "$section": section}


def _ids(entity: Entity, section: str, item: Item) -> str | None:
    """The record's outside id; None where the item says nothing of such a record."""
    number = number_of(item, "id") if section != "district" else 0
    match entity, section:
        case "org", "district":
            return DISTRICT
        case "org", _:
            return f"school-{number}"
        case "academicSession", _:
            return f"term-{number}"
        case "course", _:
            return f"course-{number}"
        case "class", _:
            return f"section-{number}"
        case "user" | "demographics", "students":
            return f"student-{number}"
        case "user", _:
            return _person(item)
        case _, "section_enrollments":
            return f"enrollment-{number}"
        case _:
            return f"lead-{number}" if item.get("$teacher") or item.get(GONE) else None


def _person(item: Item) -> str | None:
    """A member of staff has a record at each school; that of the first at work speaks for all.

    No school lists a post that has ended. One listed where no post is known speaks too: twice told
    is a warning, never told a removal.
    """
    person = item.get("users_dcid")
    if person is None:
        return None  # a post that is gone: whose it was is not told
    places = [one["school_id"] for one in at_work(item)]
    here = item.get("$school")
    known = [one["school_id"] for one in posts_of(item)]
    speaks = here is None or here not in known or here == min(places)
    return f"staff-{person}" if speaks else None


def _is_over(section: str, item: Item) -> bool:
    if section == "students":
        status = text_of(inner(item, "school_enrollment"), "enroll_status")
        if not status:
            # Silence is no leaving: an answer without the expansion would remove every student.
            raise Invalid("missing", field="school_enrollment.enroll_status")
        return status != _ACTIVE
    if section == "staff":
        posts = posts_of(item)
        return bool(posts) and not any(works(post) for post in posts)
    return section == "section_enrollments" and item.get("dropped") in (True, "true")


def _district(item: Item) -> dict[str, Any]:
    return {
        "name": item.get("name"),
        "type": "district",
        "identifier": text_of(item, "district_number") or DISTRICT,
    }


def _school(item: Item) -> dict[str, Any]:
    return {
        "name": item.get("name"),
        "type": "school",
        "identifier": text_of(item, "state_province_id") or text_of(item, "school_number"),
        "parent": {"sourcedId": DISTRICT},
    }


def _term(item: Item) -> dict[str, Any]:
    year = number_of(item, "start_year")
    portion = number_of(item, "portion") if item.get("portion") is not None else 0
    return {
        "title": item.get("name") or item.get("abbreviation"),
        "type": _SESSION_TYPES.get(portion, "term"),
        "startDate": item.get("start_date"),
        "endDate": item.get("end_date"),
        "schoolYear": str(year + 1),
    }


def _course(item: Item) -> dict[str, Any]:
    return {
        "title": item.get("course_name"),
        "courseCode": text_of(item, "course_number"),
        "org": {"sourcedId": DISTRICT},
    }


def _class(item: Item) -> dict[str, Any]:
    name, number = text_of(item, "$course_name"), text_of(item, "section_number")
    return {
        "title": " ".join(part for part in (name or "Class", number) if part),
        "classCode": number,
        "classType": "scheduled",
        "course": ref_to("course", item, "course_id"),
        "school": ref_to("school", item, "school_id"),
        "terms": [ref_to("term", item, "term_id")],
        "periods": [text_of(item, "expression")] if text_of(item, "expression") else [],
    }


def _student(item: Item) -> dict[str, Any]:
    enrolled = inner(item, "school_enrollment")
    school = item.get("$school")
    if school is None:
        raise Invalid("unknown_school", field="school_enrollment.school_number")
    org = {"sourcedId": f"school-{school}"}
    role = {
        "roleType": "primary",
        "role": "student",
        "org": org,
        "beginDate": enrolled.get("entry_date"),
        # As in OneRoster, the first day on which the student is not there any more.
        "endDate": enrolled.get("exit_date"),
    }
    return {
        **_names(item),
        "enabledUser": True,
        "username": text_of(item, "student_username"),
        "identifier": text_of(item, "local_id"),
        "userMasterIdentifier": text_of(item, "state_province_id"),
        "email": text_of(inner(item, "contact_info"), "email"),
        "grades": _grades(enrolled),
        "roles": [{name: value for name, value in role.items() if value}],
        "primaryOrg": org,
    }


def _staff(item: Item) -> dict[str, Any]:
    posts = at_work(item)
    schools = dict.fromkeys(post["school_id"] for post in posts)
    if not schools and item.get("$school") is not None:
        schools = {item["$school"]: None}
    if not schools:
        raise Invalid("missing", field="school_affiliations")
    teaches = {post["school_id"] for post in posts if number_of(post, "type") == _TEACHER}
    return {
        **_names(item),
        "enabledUser": True,
        "username": text_of(item, "teacher_username") or text_of(item, "admin_username"),
        "identifier": text_of(item, "local_id"),
        "email": text_of(inner(item, "emails"), "work_email"),
        "roles": [
            {
                "roleType": "primary" if place == 0 else "secondary",
                "role": "teacher" if school in teaches or not posts else "ext:staff",
                "org": {"sourcedId": f"school-{school}"},
            }
            for place, school in enumerate(schools)
        ],
        "primaryOrg": {"sourcedId": f"school-{next(iter(schools))}"},
    }


def _demographics(item: Item) -> dict[str, Any]:
    said = inner(item, "demographics")
    return {
        "birthDate": said.get("birth_date"),
        "sex": _SEX.get(text_of(said, "gender").upper(), ""),
    }


def _seat(item: Item) -> dict[str, Any]:
    school = item.get("$school")
    if school is None:
        raise Invalid("unknown_section", field="section_id")
    return {
        "user": ref_to("student", item, "student_id"),
        "class": ref_to("section", item, "section_id"),
        "school": {"sourcedId": f"school-{school}"},
        "role": "student",
        "beginDate": item.get("entry_date"),
        "endDate": item.get("exit_date"),
    }


def _lead(item: Item) -> dict[str, Any]:
    return {
        "user": {"sourcedId": f"staff-{item['$teacher']}"},
        "class": {"sourcedId": f"section-{number_of(item, 'id')}"},
        "school": ref_to("school", item, "school_id"),
        "role": "teacher",
        "primary": True,
    }


def _names(item: Item) -> dict[str, Any]:
    name = inner(item, "name")
    return {
        "givenName": text_of(name, "first_name"),
        "familyName": text_of(name, "last_name"),
        "middleName": text_of(name, "middle_name"),
    }


def _grades(enrolled: Item) -> list[str]:
    """PowerSchool counts kindergarten as 0 and what comes before it below."""
    level = text_of(enrolled, "grade_level")
    if not level:
        return []
    try:
        grade = int(level)
    except ValueError:
        raise Invalid("not_a_number", field="school_enrollment.grade_level") from None
    if grade < 0:
        return ["PK"]
    return ["KG"] if grade == 0 else [f"{grade:02d}"]


_BUILDERS: Final[Mapping[tuple[Entity, str], Callable[[Item], dict[str, Any]]]] = {
    ("org", "district"): _district,
    ("org", "schools"): _school,
    ("academicSession", "terms"): _term,
    ("course", "courses"): _course,
    ("class", "sections"): _class,
    ("user", "students"): _student,
    ("user", "staff"): _staff,
    ("demographics", "students"): _demographics,
    ("enrollment", "sections"): _lead,
    ("enrollment", "section_enrollments"): _seat,
}
