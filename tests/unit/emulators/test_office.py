"""The made-up office: the seed decides who is in it, and no deed of a clerk breaks a reference."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sis_emulators.clock import Clock
from sis_emulators.office.clerk import Clerk
from sis_emulators.office.generator import open_office
from sis_emulators.office.tables import Office

DEEDS = ("enrol", "rename", "move_class", "move_school", "withdraw", "delete", "hire",
         "open_section", "dismiss", "rekey", "withdraw_share")  # fmt: skip


def do(clerk: Clerk, office: Office, deed: str, pick: int) -> None:
    students = [row.dcid for row in office.students.live()]
    staff = [row.dcid for row in office.staff.live()]
    student, worker = students[pick % len(students)], staff[pick % len(staff)]
    section = list(office.sections.rows)[pick % len(office.sections.rows)]
    match deed:
        case "rename":
            clerk.rename(student, given="Elora")
        case "move_class" if office.students.get(student).active:
            clerk.move_class(student, to=section)
        case "move_class":
            with pytest.raises(ValueError, match="has left"):
                clerk.move_class(student, to=section)
        case "move_school":
            clerk.move_school(student, to=1 + pick % 3)
        case "withdraw" | "delete":
            getattr(clerk, deed)(student)
        case "dismiss":
            clerk.dismiss(worker)
        case "withdraw_share":
            clerk.withdraw_share(0.2)
        case _:
            getattr(clerk, deed)()


@pytest.mark.parametrize("students", [1, 60, 700])
def test_the_same_seed_makes_the_same_people(students: int) -> None:
    one, two = (open_office(students=students, seed=3, clock=Clock()) for _ in range(2))

    assert one.district == two.district
    assert [table.rows for table in one.tables()] == [table.rows for table in two.tables()]
    assert len(one.students.rows) == students


def test_another_seed_makes_others() -> None:
    one, two = (open_office(students=9, seed=seed, clock=Clock()) for seed in (1, 2))

    assert one.students.rows != two.students.rows


@pytest.mark.parametrize("students", [0, 15_001])
def test_a_size_that_cannot_be_is_refused(students: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 15000"):
        open_office(students=students, seed=1, clock=Clock())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 999)), max_size=12))
def test_no_deed_breaks_a_reference_or_a_count(deeds: list[tuple[str, int]]) -> None:
    office = open_office(students=12, seed=5, clock=Clock())
    clerk = Clerk(office, Random(1))
    heard: list[int] = []
    office.listeners.append(lambda write: heard.append(write.record.version))
    start = office.version

    for deed, pick in deeds:
        do(clerk, office, deed, pick)

    assert heard == list(range(start + 1, office.version + 1)), "every write is told once, in order"
    for student in office.students.rows.values():
        assert all(one in office.contacts.rows for one in student.contacts)
    for contact in office.contacts.rows.values():
        assert all(one in office.students.rows for one in contact.students)
    for section in office.sections.rows.values():
        assert section.teacher in office.staff.rows
    for seat in office.enrolments.rows.values():
        assert seat.section in office.sections.rows
        assert seat.student in office.students.rows
        assert not seat.active or office.students.get(seat.student).active
