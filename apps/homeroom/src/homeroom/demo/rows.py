"""The rows of every file of a OneRoster 1.2 bulk export of a made-up district. Pure and lazy.

Source of columns and their order: OneRoster CSV binding 1.2.1. A bulk row leaves `status` and
`dateLastModified` blank.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date

from homeroom.demo.district import DISTRICT_ORG, District, Employee, Student, class_id
from homeroom.demo.people import RACES, draw_traits
from homeroom.demo.schools import Level, School
from homeroom.demo.timetable import Lesson

Row = tuple[str, ...]
Rows = Callable[[District], Iterator[Row]]

BASE = ("sourcedId", "status", "dateLastModified")
YEAR, FALL, SPRING = "session-year", "session-fall", "session-spring"


def _bulk(sourced_id: str, *rest: str) -> Row:
    return (sourced_id, "", "", *rest)


def orgs(district: District) -> Iterator[Row]:
    """Yield the district and its schools."""
    yield _bulk(DISTRICT_ORG, "Demo Unified School District", "district", "D-0001", "")
    for school in district.schools:
        identifier = f"S-{school.number:04d}"
        yield _bulk(school.sourced_id, school.name, "school", identifier, DISTRICT_ORG)


def sessions(district: District) -> Iterator[Row]:
    """Yield the school year and its two semesters."""
    year = str(district.school_year)
    half = date(district.school_year, 1, 16)
    first, last = district.begins, district.ends
    halves = ((FALL, "Fall semester", first, half), (SPRING, "Spring semester", half, last))
    yield _bulk(YEAR, f"School year {year}", "schoolYear", str(first), str(last), "", year)
    for sourced_id, title, begin, end in halves:
        yield _bulk(sourced_id, title, "semester", str(begin), str(end), YEAR, year)


def courses(district: District) -> Iterator[Row]:
    """Yield each course once, whatever number of classes it has."""
    seen: set[str] = set()
    for school, lesson in _lessons(district):
        course = _course_id(school, lesson)
        if course in seen:
            continue
        seen.add(course)
        one_grade = len(lesson.grades) == 1
        title = f"{lesson.subject} {lesson.grades[0]}" if one_grade else lesson.subject
        code = course.removeprefix("course-").upper()
        grades, subject = ",".join(lesson.grades), lesson.subject
        yield _bulk(course, YEAR, title, code, grades, DISTRICT_ORG, subject, _subject_code(lesson))


def classes(district: District) -> Iterator[Row]:
    """Yield one class for every lesson of every timetable."""
    for school, lesson in _lessons(district):
        kind = "homeroom" if lesson.subject == "Homeroom" else "scheduled"
        terms = YEAR if school.level is Level.ELEMENTARY else f"{FALL},{SPRING}"
        yield _bulk(
            class_id(school, lesson),
            f"{lesson.subject}, period {lesson.period}",
            ",".join(lesson.grades),
            _course_id(school, lesson),
            f"{_subject_code(lesson)}-{lesson.number}",
            kind,
            f"Room {100 + lesson.teacher}",
            school.sourced_id,
            terms,
            lesson.subject,
            _subject_code(lesson),
            str(lesson.period),
        )


def users(district: District) -> Iterator[Row]:
    """Yield staff first, then pupils."""
    for employee in district.employees:
        yield _user(district, employee, employee.org_id, "")
    for student in district.pupils():
        yield _user(district, student, student.school.sourced_id, student.grade)


def roles(district: District) -> Iterator[Row]:
    """Yield one primary role for every user."""
    for employee in district.employees:
        yield _role(employee.sourced_id, employee.role, employee.org_id)
    for student in district.pupils():
        yield _role(student.sourced_id, "student", student.school.sourced_id)


def demographics(district: District) -> Iterator[Row]:
    """Yield what is known of each pupil beside school."""
    for student in district.pupils():
        year = district.school_year
        traits = draw_traits(district.seed, student.number, student.grade, year)
        flags = [_boolean(race in traits.races) for race in RACES]
        several, hispanic = _boolean(len(traits.races) > 1), _boolean(traits.hispanic)
        born = str(traits.birth_date)
        where = ("US", "CO", traits.city, "01652")
        yield _bulk(student.sourced_id, born, traits.sex, *flags, several, hispanic, *where)


def enrollments(district: District) -> Iterator[Row]:
    """Yield each class's teacher, then every pupil's six classes."""
    dates = (str(district.begins), str(district.ends))
    for school, lesson in _lessons(district):
        teacher = district.teachers[school.number, lesson.teacher]
        of_class = class_id(school, lesson)
        who = (school.sourced_id, teacher.sourced_id, "teacher", "true")
        yield _bulk(f"enroll-{of_class}-t", of_class, *who, *dates)
    for student in district.pupils():
        for lesson in district.lessons_of(student):
            of_class = class_id(student.school, lesson)
            who = (student.school.sourced_id, student.sourced_id, "student", "")
            enrollment = f"enroll-{of_class}-{student.number:06d}"
            yield _bulk(enrollment, of_class, *who, *dates)


def _lessons(district: District) -> Iterator[tuple[School, Lesson]]:
    for school in district.schools:
        for lesson in district.timetables[school.number].lessons:
            yield school, lesson


def _user(district: District, who: Employee | Student, org_id: str, grades: str) -> Row:
    person = district.person(who)
    names = (person.given_name, person.family_name, person.middle_name)
    contact = (person.number, person.email, "", "")
    tail = ("", grades, "", person.number, person.preferred_name, "", "", org_id, "")
    return _bulk(person.sourced_id, "true", person.username, "", *names, *contact, *tail)


def _role(user_id: str, role: str, org_id: str) -> Row:
    return _bulk(f"role-{user_id}", user_id, "primary", role, "", "", org_id, "")


def _course_id(school: School, lesson: Lesson) -> str:
    level = lesson.grades[0] if len(lesson.grades) == 1 else school.level.name.lower()
    return f"course-{_subject_code(lesson).lower()}-{level.lower()}"


def _subject_code(lesson: Lesson) -> str:
    return "".join(word[:4] for word in lesson.subject.upper().split())


def _boolean(value: bool) -> str:
    return "true" if value else "false"


_RACE_COLUMNS = (
    "americanIndianOrAlaskaNative",
    "asian",
    "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander",
    "white",
    "demographicRaceTwoOrMoreRaces",
    "hispanicOrLatinoEthnicity",
)

FILES: Mapping[str, tuple[str, Rows]] = {
    "academicSessions": ("title type startDate endDate parentSourcedId schoolYear", sessions),
    "orgs": ("name type identifier parentSourcedId", orgs),
    "courses": (
        "schoolYearSourcedId title courseCode grades orgSourcedId subjects subjectCodes",
        courses,
    ),
    "classes": (
        "title grades courseSourcedId classCode classType location schoolSourcedId "
        "termSourcedIds subjects subjectCodes periods",
        classes,
    ),
    "users": (
        "enabledUser username userIds givenName familyName middleName identifier email sms phone "
        "agentSourcedIds grades password userMasterIdentifier preferredGivenName "
        "preferredMiddleName preferredFamilyName primaryOrgSourcedId pronouns",
        users,
    ),
    "roles": (
        "userSourcedId roleType role beginDate endDate orgSourcedId userProfileSourcedId",
        roles,
    ),
    "demographics": (
        f"birthDate sex {' '.join(_RACE_COLUMNS)} countryOfBirthCode stateOfBirthAbbreviation "
        "cityOfBirth publicSchoolResidenceStatus",
        demographics,
    ),
    "enrollments": (
        "classSourcedId schoolSourcedId userSourcedId role primary beginDate endDate",
        enrollments,
    ),
}


def header(file: str) -> Row:
    """Return the columns of `file`, in the order of the binding."""
    return (*BASE, *FILES[file][0].split())
