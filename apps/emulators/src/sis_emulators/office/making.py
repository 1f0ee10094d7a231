"""New records with their numbers and made-up contents; they are not kept yet."""

from datetime import UTC, date, datetime
from random import Random

from sis_emulators.office import names
from sis_emulators.office.records import Contact, Post, Section, Staff, Student
from sis_emulators.office.tables import Office

STUDENT_MAIL = "students.made-up-valley.example"
STAFF_MAIL = "made-up-valley.example"
HOME_MAIL = "home.example"
UNSTAMPED = datetime.min.replace(tzinfo=UTC)


def student(
    office: Office,
    random: Random,
    *,
    school: int,
    grade: int,
    given: str = "",
    family: str = "",
    portal: bool | None = None,
    no_show: bool = False,
) -> tuple[Student, list[Contact]]:
    """A student with one or two contacts; one in 20 has no portal account unless told."""
    number, person = office.students.number(), office.person_id()
    given, family = given or names.given(random), family or names.family(random)
    start = office.year_start()
    username = f"{given[:1]}{family}{number}".lower()
    contacts = [
        contact(office, random, student=number, family=family, first=index == 0)
        for index in range(random.choice((1, 1, 2)))
    ]
    made = Student(
        dcid=number, modified=UNSTAMPED, person_id=person, given=given, family=family,
        middle=names.given(random) if random.random() < 0.3 else "", username=username,
        email=f"{username}@{STUDENT_MAIL}", phone=_phone(random),
        portal=random.random() >= 0.05 if portal is None else portal,
        number=200_000 + number, state_id=f"{9_000_000_000 + person}",
        gender=random.choice("FMX" if random.random() < 0.05 else "FM"),
        born=date(start.year - 5 - grade, random.randint(1, 12), random.randint(1, 28)),
        grade=grade, school=school, entered=start, no_show=no_show,
        contacts=tuple(one.dcid for one in contacts),
    )  # fmt: skip
    return made, contacts


def contact(office: Office, random: Random, *, student: int, family: str, first: bool) -> Contact:
    """Someone at the student's home; the first has a portal account."""
    number, given = office.contacts.number(), names.given(random)
    username = f"{given}.{family}.{number}".lower()
    return Contact(
        dcid=number, modified=UNSTAMPED, person_id=office.person_id(), given=given, family=family,
        username=username, email=f"{username}@{HOME_MAIL}", phone=_phone(random), portal=first,
        relation="guardian" if first else "relative", students=(student,),
    )  # fmt: skip


def staff(
    office: Office,
    random: Random,
    *,
    schools: tuple[int, ...],
    title: str,
    role: str,
    given: str = "",
    family: str = "",
) -> Staff:
    """Someone who works at each of the schools in the same role."""
    number = office.staff.number()
    given, family = given or names.given(random), family or names.family(random)
    username = f"{given}.{family}{number}".lower()
    return Staff(
        dcid=number, modified=UNSTAMPED, person_id=office.person_id(), given=given, family=family,
        username=username, email=f"{username}@{STAFF_MAIL}", phone=_phone(random),
        number=f"T{3000 + number}", title=title,
        posts=tuple(Post(dcid=office.post_id(), school=one, role=role) for one in schools),
    )  # fmt: skip


def section(
    office: Office, *, school: int, course: int, term: int, teacher: int, period: int, grade: int
) -> Section:
    """A class in a room of its own."""
    number = office.sections.number()
    return Section(
        dcid=number, modified=UNSTAMPED, school=school, course=course, term=term, teacher=teacher,
        number=str(number), period=period, room=f"R{100 + number % 80}", grade=grade,
    )  # fmt: skip


def _phone(random: Random) -> str:
    return f"555-01{random.randrange(100):02}"
