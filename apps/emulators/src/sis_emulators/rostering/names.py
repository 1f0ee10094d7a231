"""SourcedIds that are GUIDs, made of the district's, the table and the number."""

from uuid import UUID, uuid5

from sis_emulators.office.records import (
    Course,
    Enrolment,
    Person,
    Record,
    School,
    Section,
    Term,
)


class UuidNames:
    """The same record has the same GUID as long as its number lives."""

    def __init__(self, district: str) -> None:
        self._space = UUID(district)
        self._made: dict[tuple[str, int], str] = {}

    def org(self, school: int | None) -> str:
        """The district is school 0."""
        return self._name("schools", school or 0)

    def session(self, term: int) -> str:
        """A term."""
        return self._name("terms", term)

    def course(self, course: int) -> str:
        """A course."""
        return self._name("courses", course)

    def section(self, section: int) -> str:
        """A class."""
        return self._name("sections", section)

    def person(self, person: Person, _role: str) -> str:
        """One for all roles."""
        return self._name("people", person.person_id)

    def seat(self, enrolment: int) -> str:
        """A student's enrolment."""
        return self._name("seats", enrolment)

    def teaching(self, section: int) -> str:
        """A teacher's enrolment."""
        return self._name("teaching", section)

    def _name(self, table: str, number: int) -> str:
        made = self._made.get((table, number))
        if made is None:
            made = self._made[table, number] = str(uuid5(self._space, f"{table}:{number}"))
        return made

    def of(self, record: Record) -> str:
        """The sourcedId of any record."""
        match record:
            case School():
                return self.org(record.dcid)
            case Term():
                return self.session(record.dcid)
            case Course():
                return self.course(record.dcid)
            case Section():
                return self.section(record.dcid)
            case Enrolment():
                return self.seat(record.dcid)
            case Person():
                return self.person(record, "")
            case _:
                raise TypeError(type(record).__name__)
