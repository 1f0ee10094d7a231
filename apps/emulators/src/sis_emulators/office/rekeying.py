"""Every person gets new numbers, as when a SIS is rebuilt; state ids and local numbers stay.

The old records leave no tombstones: who lists the office afterwards meets strangers.
"""

from dataclasses import replace

from sis_emulators.office.records import Post
from sis_emulators.office.tables import Office, R, Table


def rekey(office: Office) -> None:
    """Renumbers students, staff and contacts, and what refers to them."""
    office.generation += 1
    students = _renumber(office.students)
    staff = _renumber(office.staff)
    contacts = _renumber(office.contacts)
    for one in list(office.students.rows.values()):
        kin = tuple(contacts[old] for old in one.contacts)
        office.write(office.students, replace(one, contacts=kin, person_id=office.person_id()))
    for worker in list(office.staff.rows.values()):
        posts = tuple(
            Post(dcid=office.post_id(), school=post.school, role=post.role) for post in worker.posts
        )
        office.write(office.staff, replace(worker, posts=posts, person_id=office.person_id()))
    for contact in list(office.contacts.rows.values()):
        kin = tuple(students[old] for old in contact.students)
        office.write(office.contacts, replace(contact, students=kin, person_id=office.person_id()))
    for section in list(office.sections.rows.values()):
        office.write(office.sections, replace(section, teacher=staff[section.teacher]))
    for seat in list(office.enrolments.rows.values()):
        office.write(office.enrolments, replace(seat, student=students[seat.student]))


def _renumber(table: Table[R]) -> dict[int, int]:
    """Old numbers to new; the table then holds the live records under the new ones."""
    old = table.rows
    numbers = {dcid: table.number() for dcid in old}
    table.rows = {numbers[dcid]: replace(row, dcid=numbers[dcid]) for dcid, row in old.items()}
    return numbers
