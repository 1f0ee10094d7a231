"""What a clerk types in: each deed changes the office as the real one would, seats included.

Every deed answers what it wrote, the person first. A KeyError names a number nobody has.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from sis_emulators.office import making, rekeying
from sis_emulators.office.records import Enrolment, Record, Section
from sis_emulators.office.tables import Office

ACTIVE, TRANSFERRED_OUT = 0, 2
LEFT = 2


class Clerk:
    """One clerk at the counter of one office."""

    def __init__(self, office: Office, random: Random) -> None:
        self._office = office
        self._random = random

    def enrol(
        self,
        *,
        school: int = 1,
        grade: int | None = None,
        sections: Sequence[int] | None = None,
        given: str = "",
        family: str = "",
        portal: bool = True,
        no_show: bool = False,
    ) -> list[Record]:
        """A new student, by default in the classes of the first group of the grade."""
        place = self._office.schools.get(school)
        grade = place.low_grade if grade is None else grade
        chosen = self._usual(school, grade) if sections is None else self._known(sections)
        made, contacts = making.student(
            self._office, self._random, school=school, grade=grade, given=given, family=family,
            portal=portal, no_show=no_show,
        )  # fmt: skip
        wrote = [self._office.write(self._office.contacts, one, kind="INSERT") for one in contacts]
        made = replace(made, entered=self._office.clock.today())
        student = self._office.write(self._office.students, made, kind="INSERT")
        return [student, *wrote, *self._seat(student.dcid, chosen)]

    def rename(
        self, dcid: int, *, given: str = "", family: str = "", preferred: str = ""
    ) -> list[Record]:
        """Another name of a student; an empty one stays as it is."""
        old = self._office.students.get(dcid)
        new = replace(
            old,
            given=given or old.given,
            family=family or old.family,
            preferred=preferred or old.preferred,
        )
        return [self._office.write(self._office.students, new)]

    def portal(self, dcid: int, *, is_open: bool) -> list[Record]:
        """Opens or closes the sign-in account of a student."""
        old = self._office.students.get(dcid)
        return [self._office.write(self._office.students, replace(old, portal=is_open))]

    def move_class(self, dcid: int, *, to: int, leave: int | None = None) -> list[Record]:
        """From one class, by default the first, to another. ValueError for who has left."""
        student, target = self._office.students.get(dcid), self._office.sections.get(to)
        if not student.active:
            raise ValueError("this student has left")
        seats = self._office.seats(dcid)
        left = [seat for seat in seats if seat.section == leave] if leave else seats[:1]
        return [student, *self._leave(left), *self._seat(dcid, [target])]

    def move_school(self, dcid: int, *, to: int) -> list[Record]:
        """To another school and the classes of its first group; who had left comes back."""
        old, place = self._office.students.get(dcid), self._office.schools.get(to)
        grade = min(max(old.grade, place.low_grade), place.high_grade)
        left = self._leave(self._office.seats(dcid))
        moved = replace(
            old,
            school=to,
            grade=grade,
            entered=self._office.clock.today(),
            left=None,
            status=ACTIVE,
        )
        student = self._office.write(self._office.students, moved, kind="SCHOOL_ENROLLMENT")
        return [student, *left, *self._seat(dcid, self._usual(to, grade))]

    def withdraw(self, dcid: int) -> list[Record]:
        """Transferred out today; their classes end."""
        left = self._leave(self._office.seats(dcid))
        old = self._office.students.get(dcid)
        gone = replace(old, status=TRANSFERRED_OUT, left=self._office.clock.today())
        student = self._office.write(self._office.students, gone, kind="SCHOOL_ENROLLMENT")
        return [student, *left]

    def withdraw_share(self, share: float) -> list[Record]:
        """That share of all active students, drawn under the seed; answers the students."""
        active = [row.dcid for row in self._office.students.live() if row.active]
        drawn = self._random.sample(active, round(len(active) * share))
        return [self.withdraw(dcid)[0] for dcid in sorted(drawn)]

    def delete(self, dcid: int) -> list[Record]:
        """Strikes the record of a student, and of their seats, as if it had been a mistake."""
        seats = [self._office.drop(self._office.enrolments, one.dcid)
                 for one in self._office.seats(dcid)]  # fmt: skip
        return [self._office.drop(self._office.students, dcid), *seats]

    def open_section(
        self, *, school: int = 1, course: int | None = None, teacher: int | None = None
    ) -> list[Record]:
        """A further class, by default of the school's first course by its first teacher."""
        like = next(row for row in self._office.sections.live() if row.school == school)
        chosen = self._office.courses.get(course or like.course)
        held_by = self._office.staff.get(teacher or like.teacher)
        made = making.section(
            self._office, school=school, course=chosen.dcid, term=like.term,
            teacher=held_by.dcid, period=like.period, grade=chosen.low_grade,
        )  # fmt: skip
        return [self._office.write(self._office.sections, made, kind="INSERT")]

    def hire(
        self,
        *,
        school: int = 1,
        title: str = "Teacher",
        role: str = "teacher",
        given: str = "",
        family: str = "",
    ) -> list[Record]:
        """Someone new at a school."""
        place = self._office.schools.get(school).dcid
        made = making.staff(
            self._office, self._random, schools=(place,), title=title, role=role, given=given,
            family=family,
        )  # fmt: skip
        return [self._office.write(self._office.staff, made, kind="INSERT")]

    def dismiss(self, dcid: int) -> list[Record]:
        """Someone no longer works here; their classes keep their name until another takes them."""
        old = self._office.staff.get(dcid)
        return [self._office.write(self._office.staff, replace(old, status=LEFT))]

    def rekey(self) -> list[Record]:
        """Everybody gets new numbers; answers all students."""
        rekeying.rekey(self._office)
        return list(self._office.students.live())

    def _usual(self, school: int, grade: int) -> list[Section]:
        """One class of each course of the grade, or as many as the school has."""
        found: dict[int, Section] = {}
        for row in self._office.sections.live():
            if row.school == school and row.grade == grade:
                found.setdefault(row.course, row)
        return list(found.values())

    def _known(self, sections: Iterable[int]) -> list[Section]:
        return [self._office.sections.get(dcid) for dcid in sections]

    def _seat(self, student: int, sections: Iterable[Section]) -> list[Enrolment]:
        today, table = self._office.clock.today(), self._office.enrolments
        return [
            self._office.write(table, Enrolment(
                dcid=table.number(), modified=making.UNSTAMPED, section=section.dcid,
                student=student, entered=today,
            ), kind="INSERT")
            for section in sections
        ]  # fmt: skip

    def _leave(self, seats: Iterable[Enrolment]) -> list[Enrolment]:
        today = self._office.clock.today()
        return [
            self._office.write(self._office.enrolments, replace(seat, dropped=True, left=today))
            for seat in seats
        ]
