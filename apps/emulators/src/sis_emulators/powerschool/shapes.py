"""Bodies of PowerSchool's REST API from the office's records.

Fields: public copy of the plugin API pages (mennotech/powerschool-api-docs, v1). Wrappers and
numbers as numbers: the samples of SwiftyPSCore. README.md says what neither of them shows.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from sis_emulators.office.records import (
    Course,
    Enrolment,
    Post,
    School,
    Section,
    Staff,
    Student,
    Term,
)
from sis_emulators.office.tables import Office

Body = dict[str, Any]
STATUSES = {0: ("A", "Active"), -1: ("P", "Pre-Registered"), 2: ("T", "Transferred-Out")}
# Type of a school affiliation: 1 teacher, 2 other staff. Not in the public pages.
TEACHER, OTHER_STAFF = 1, 2
STUDENT_EXPANSIONS = (
    "demographics", "phones", "school_enrollment", "contact", "contact_info", "initial_enrollment",
)  # fmt: skip
STAFF_EXPANSIONS = ("emails", "phones", "school_affiliations")


class Shapes:
    """Writes one office's records."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def school(self, row: School, _wanted: Collection[str]) -> Body:
        """`id` is SCHOOLS.DCID; other records name a school by `school_number` or by it."""
        return {
            "id": row.dcid, "name": row.name, "school_number": row.number,
            "state_province_id": row.state_id, "low_grade": row.low_grade,
            "high_grade": row.high_grade, "alternate_school_number": 0,
        }  # fmt: skip

    def student(self, row: Student, wanted: Collection[str]) -> Body:
        """`id` is STUDENTS.DCID; a third of the state ids carry a blank at the end."""
        name = {"first_name": row.given, "last_name": row.family}
        if row.middle:
            name["middle_name"] = row.middle
        body = {
            "id": row.dcid, "local_id": row.number,
            "state_province_id": f"{row.state_id} " if row.dcid % 3 == 0 else row.state_id,
            "student_username": row.username, "name": name,
        }  # fmt: skip
        every: Mapping[str, Callable[[Student], Body]] = {
            "demographics": _demographics,
            "phones": lambda one: {"main": {"number": one.phone}},
            "school_enrollment": self._enrolment,
            "contact": self._contact,
            "contact_info": lambda one: {"email": one.email},
            "initial_enrollment": lambda one: {"school_entry_date": one.entered.isoformat()},
        }
        return body | {name: write(row) for name, write in every.items() if name in wanted}

    def staff(self, row: tuple[Staff, Post], wanted: Collection[str]) -> Body:
        """`id` is SCHOOLSTAFF.DCID, one for each school; `users_dcid` is the person's."""
        person, post = row
        teaches = post.role == "teacher"
        body: Body = {
            "id": post.dcid, "local_id": person.number, "users_dcid": person.dcid,
            "teacher_username" if teaches else "admin_username": person.username,
            "name": {"first_name": person.given, "last_name": person.family},
        }  # fmt: skip
        if "emails" in wanted:
            body["emails"] = {"work_email": person.email}
        if "phones" in wanted:
            body["phones"] = {"home_phone": person.phone}
        if "school_affiliations" in wanted:
            found = [
                {"school_id": one.school, "status": person.status,
                 "type": TEACHER if one.role == "teacher" else OTHER_STAFF}
                for one in person.posts
            ]  # fmt: skip
            body["school_affiliations"] = {"school_affiliation": alone(found)}
        return body

    def course(self, row: Course, _wanted: Collection[str]) -> Body:
        """`id` is COURSES.DCID."""
        return {"id": row.dcid, "course_number": row.number, "course_name": row.name}

    def section(self, row: Section, wanted: Collection[str]) -> Body:
        """`id` is SECTIONS.DCID, `staff_id` SCHOOLSTAFF.DCID."""
        teacher = self._office.staff.get(row.teacher)
        here = [post for post in teacher.posts if post.school == row.school]
        body = {
            "id": row.dcid, "school_id": row.school, "course_id": row.course,
            "staff_id": (here or list(teacher.posts))[0].dcid, "term_id": row.term,
            "section_number": row.number, "expression": f"{row.period}(A)",
            "external_expression": f"{row.period}(A)", "gradebooktype": "PTG",
        }  # fmt: skip
        if "term" in wanted:
            body["term"] = self.term(self._office.terms.get(row.term), ())
        return body

    def term(self, row: Term, _wanted: Collection[str]) -> Body:
        """`id` is TERMS.DCID."""
        return {
            "id": row.dcid, "school_id": row.school, "start_year": row.start_year,
            "portion": row.portion, "start_date": row.start.isoformat(),
            "end_date": row.end.isoformat(), "abbreviation": row.abbreviation, "name": row.name,
        }  # fmt: skip

    def section_enrolment(self, row: Enrolment, _wanted: Collection[str]) -> Body:
        """`id` is CC.DCID. The public pages call the dates integers; they are written as dates."""
        last = self._office.terms.get(self._office.sections.get(row.section).term).end
        return {
            "id": row.dcid, "section_id": row.section, "student_id": row.student,
            "entry_date": row.entered.isoformat(), "exit_date": (row.left or last).isoformat(),
            "dropped": row.dropped,
        }  # fmt: skip

    def _enrolment(self, row: Student) -> Body:
        letter, words = STATUSES[row.status]
        school = self._office.schools.get(row.school)
        last = school_ends(self._office, row.school)
        return {
            "status_code": row.status, "enroll_status": letter,
            "enroll_status_description": words, "grade_level": str(row.grade),
            "entry_date": row.entered.isoformat(), "school_number": school.number,
            "exit_date": row.left.isoformat() if row.left else last,
        }  # fmt: skip

    def _contact(self, row: Student) -> Body:
        people = [self._office.contacts.get(one) for one in row.contacts]
        body: Body = {}
        for index, person in enumerate(people[:2], start=1):
            body[f"emergency_contact_name{index}"] = f"{person.family}, {person.given}"
            body[f"emergency_phone{index}"] = person.phone
        if people:
            body["guardian_email"] = people[0].email
        return body


def alone(items: list[Body]) -> Body | list[Body]:
    """A list of one is written as its element, as the live API does."""
    return items[0] if len(items) == 1 else items


def school_ends(office: Office, school: int) -> str:
    """The last day of the year at a school."""
    return max(term.end for term in office.terms.live() if term.school == school).isoformat()


def _demographics(row: Student) -> Body:
    return {
        "gender": row.gender,
        "birth_date": row.born.isoformat(),
        "projected_graduation_year": row.born.year + 18,
    }
