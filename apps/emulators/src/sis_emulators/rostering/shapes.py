"""OneRoster objects of both versions from the office's records.

Shapes: the official OpenAPI of the 1.2 rostering service, and the 1.1 model as its public clients
have it (README.md, sources). 1.2 writes booleans as the strings "true" and "false".
"""

from collections.abc import Iterable
from datetime import date
from functools import cache
from urllib.parse import quote

from sis_emulators.clock import iso
from sis_emulators.office.records import (
    Contact,
    Course,
    Enrolment,
    Person,
    Record,
    School,
    Section,
    Staff,
    Student,
    Term,
)
from sis_emulators.office.tables import Office
from sis_emulators.rostering.dialect import Dialect, roles_of

Body = dict[str, object]
USER_NULLS = ("middleName", "identifier", "email", "sms", "phone", "agents", "grades", "password")
SEXES = {"F": "female", "M": "male"}
# 1.2 has no plain administrator.
ADMINISTRATORS = {"Principal": "principal", "Counselor": "counselor"}


class Shapes:
    """Writes one office's records in one dialect; `base` is the address of its collections."""

    def __init__(self, office: Office, dialect: Dialect, base: str) -> None:
        self._office = office
        self._dialect = dialect
        self._names = dialect.names
        self._old = dialect.version == "1.1"
        self._base = base

    def district(self, modified: Record) -> Body:
        """The district as an org, stamped as `modified` is."""
        names = self._names
        children = [self._ref("org", names.org(row.dcid)) for row in self._office.schools.live()]
        district = self._office.district
        return self._body(names.org(None), modified, "active", {
            "name": district.name, "type": "district", "identifier": district.number,
            "children": children,
        })  # fmt: skip

    def school(self, row: School) -> Body:
        """A school."""
        return self._body(self._names.org(row.dcid), row, _status(row), {
            "name": row.name, "type": "school", "identifier": row.state_id,
            "parent": self._ref("org", self._names.org(None)),
        })  # fmt: skip

    def session(self, row: Term) -> Body:
        """A year or a term; the end is exclusive."""
        year = self._names.session(row.year) if row.year is not None else ""
        return self._body(self._names.session(row.dcid), row, _status(row), {
            "title": f"{row.start_year}-{row.start_year + 1} {row.name}",
            "type": "schoolYear" if row.portion == 1 else "term",
            "startDate": row.start.isoformat(), "endDate": row.end.isoformat(),
            "schoolYear": str(row.start_year + 1),
            "parent": self._ref("academicSession", year) if year else None,
        })  # fmt: skip

    def course(self, row: Course) -> Body:
        """A course of the district."""
        return self._body(self._names.course(row.dcid), row, _status(row), {
            "title": row.name, "courseCode": row.number, "grades": [_grade(row.low_grade)],
            "subjects": [row.subject], "org": self._ref("org", self._names.org(None)),
        })  # fmt: skip

    def section(self, row: Section) -> Body:
        """A class."""
        course = self._office.courses.get(row.course)
        return self._body(self._names.section(row.dcid), row, _status(row), {
            "title": f"{course.name} {row.number}", "classCode": f"{course.number}-{row.number}",
            "classType": "scheduled", "location": row.room, "grades": [_grade(row.grade)],
            "subjects": [course.subject],
            "course": self._ref("course", self._names.course(row.course)),
            "school": self._ref("org", self._names.org(row.school)),
            "terms": [self._ref("academicSession", self._names.session(row.term))],
            "periods": str(row.period) if self._old else [str(row.period)],
        })  # fmt: skip

    def seat(self, row: Enrolment) -> Body:
        """A student's enrolment."""
        student = self._office.students.get(row.student)
        section = self._office.sections.get(row.section)
        status = "active" if row.active else "tobedeleted"
        return self._body(self._names.seat(row.dcid), row, status, {
            "role": "student", **self._place(section, student, "student"),
            "beginDate": row.entered.isoformat(), "endDate": _day(row.left),
        })  # fmt: skip

    def teaching(self, row: Section) -> Body:
        """The enrolment of a section's teacher, who may have left the district by now."""
        teacher = self._office.staff.get(row.teacher)
        return self._body(self._names.teaching(row.dcid), row, _status(row), {
            "role": "teacher", "primary": self._flag(True),
            **self._place(row, teacher, "teacher"),
        })  # fmt: skip

    def user(self, row: Person, role: str) -> Body:
        """Somebody; in 1.1 in this role, in 1.2 with all roles."""
        roles = roles_of(row, lambda student: self._office.students.get(student).school)
        specific = self._old_user(role, roles) if self._old else self._new_user(row, roles)
        fields = {
            "username": row.username, "enabledUser": self._flag(row.portal),
            "givenName": row.given, "familyName": row.family, "middleName": row.middle,
            "identifier": _number(row), "email": row.email, "phone": row.phone,
            "grades": [_grade(row.grade)] if isinstance(row, Student) else None,
            "agents": [self._ref("user", one) for one in self._kin(row)], **specific,
        }  # fmt: skip
        if self._dialect.nulls:
            fields = {**dict.fromkeys(USER_NULLS), **fields}
        body = self._body(self._names.person(row, role), row, status_of(row), fields)
        if metadata := self._dialect.metadata(row):
            body["metadata"] = metadata
        return body

    def demographics(self, row: Student) -> Body:
        """A student's; no race is made up."""
        sex = SEXES.get(row.gender, "" if self._old else "other")
        return self._body(self._names.person(row, "student"), row, status_of(row), {
            "birthDate": row.born.isoformat(), "sex": sex,
        })  # fmt: skip

    def _old_user(self, role: str, roles: dict[str, list[int]]) -> Body:
        alone = self._dialect.record_per_role
        schools = roles[role] if alone else [one for each in roles.values() for one in each]
        return {
            "role": role,
            "orgs": [self._ref("org", self._names.org(one)) for one in dict.fromkeys(schools)],
        }

    def _new_user(self, row: Person, roles: dict[str, list[int]]) -> Body:
        begins = {"beginDate": row.entered.isoformat()} if isinstance(row, Student) else {}
        shown = [
            {
                "roleType": "primary",
                "role": _new_role(row, role),
                "org": self._ref("org", self._names.org(school)),
                **begins,
            }
            for role, schools in roles.items()
            for school in schools
        ]
        main = next(school for schools in roles.values() for school in schools)
        return {
            "userMasterIdentifier": row.state_id if isinstance(row, Student) else None,
            "preferredFirstName": row.preferred,
            "roles": shown,
            "primaryOrg": self._ref("org", self._names.org(main)),
        }

    def _kin(self, row: Person) -> Iterable[str]:
        match row:
            case Student():
                contacts = (self._office.contacts.get(one) for one in row.contacts)
                seen = (one for one in contacts if self._dialect.sees(one))
                return [self._names.person(one, one.relation) for one in seen]
            case Contact():
                students = (self._office.students.get(one) for one in row.students)
                return [
                    self._names.person(one, "student")
                    for one in students
                    if self._dialect.sees(one)
                ]
            case _:
                return []

    def _place(self, section: Section, person: Person, role: str) -> Body:
        return {
            "user": self._ref("user", self._names.person(person, role)),
            "class": self._ref("class", self._names.section(section.dcid)),
            "school": self._ref("org", self._names.org(section.school)),
        }

    def _flag(self, value: bool) -> object:
        return value if self._old else str(value).lower()

    def _ref(self, kind: str, sourced_id: str) -> Body:
        plural = {"class": "classes"}.get(kind, f"{kind}s")
        href = f"{self._base}/{plural}/{_quoted(sourced_id)}"
        return {"href": href, "sourcedId": sourced_id, "type": kind}

    def _body(self, sourced_id: str, row: Record, status: str, fields: Body) -> Body:
        pads = self._dialect.pads and row.dcid % 3 == 0
        keep_empty = self._dialect.nulls
        kept = {
            name: value or None if keep_empty and value in ("", []) else value
            for name, value in fields.items()
            if value not in ("", None, []) or keep_empty
        }
        return {
            "sourcedId": f" {sourced_id} " if pads else sourced_id,
            "status": status,
            "dateLastModified": iso(row.modified),
            **kept,
        }


@cache
def _quoted(sourced_id: str) -> str:
    return quote(sourced_id, safe="")


def status_of(row: Person) -> str:
    """Of somebody: what left the school is to be deleted."""
    match row:
        case Student() | Staff() | Contact() if row.active:
            return "active"
        case _:
            return "tobedeleted"


def _new_role(row: Person, role: str) -> str:
    if isinstance(row, Staff) and role == "administrator":
        return ADMINISTRATORS.get(row.title, "siteAdministrator")
    return role


def _status(row: Record) -> str:
    return "tobedeleted" if row.gone else "active"


def _number(row: Person) -> str:
    match row:
        case Student() | Staff():
            return str(row.number)
        case _:
            return ""


def _grade(grade: int) -> str:
    return f"{grade:02}" if grade else "KG"


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""
