"""What a registration system's file says: one row for each registration. Pure.

A file is no statement of all registrations: who is not in it is not gone. A row ends one by its
`status`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from roster_common.contracts.validation import read_object
from roster_common.errors import Invalid
from sis_ingest.domain.records import Record
from sis_ingest.sources.intake.form import (
    COLUMNS,
    Registration,
    as_column,
    as_form,
    guardian_places,
    sound,
)
from sis_ingest.sources.intake.normalise import (
    guardian_ids,
    school_id,
    student_id,
    to_birth,
    to_guardian,
    to_school,
    to_student,
)
from sis_ingest.tables.snapshot import Layout, Told, Wording
from sis_ingest.tables.table import Row

# Whether a registration is over. One that the SIS has taken in is: the SIS speaks from then on.
_CLOSED: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("", "submitted", "new", "pending", "accepted", "approved"), False),
    **dict.fromkeys(("withdrawn", "cancelled", "canceled", "declined", "rejected"), True),
    **dict.fromkeys(("duplicate", "enrolled", "completed", "imported", "closed"), True),
}


def _school_ids(row: Row) -> Sequence[str]:
    return [school_id(row["school"])] if "school" in row else []


def _student_ids(row: Row) -> Sequence[str]:
    found = row.get("registrationId")
    return [student_id(found) if found else ""]


def _people_ids(row: Row) -> Sequence[str]:
    found = row.get("registrationId")
    if not found:
        return [""]
    return [student_id(found), *guardian_ids(found)[: len(guardian_places(row))]]


def _school(_outside: str, rows: Sequence[Row]) -> Told:
    (row,) = rows
    return Told(record=to_school(row["school"], row.get("schoolName")), deleted=False)


def _birth(_outside: str, rows: Sequence[Row]) -> Told:
    return _read(rows, to_birth)


def _person(outside: str, rows: Sequence[Row]) -> Told:
    ids = _people_ids(rows[0])
    place = ids.index(outside)
    return _read(rows, to_student if place == 0 else lambda form: to_guardian(form, place - 1))


def _read(rows: Sequence[Row], build: Callable[[Registration], Record]) -> Told:
    (row,) = rows
    try:
        form = sound(read_object(Registration, as_form(row)))
        return Told(record=build(form), deleted=_is_closed(row))
    except Invalid as error:
        raise Invalid(error.reason, field=as_column(error.field, guardian_places(row))) from None


def _is_closed(row: Row) -> bool:
    try:
        return _CLOSED[row.get("status", "").casefold()]
    except KeyError:
        raise Invalid("unknown_status", field="status") from None


LAYOUT: Final = Layout(
    file="registrations.csv",
    columns=COLUMNS,
    id_column="registrationId",
    meaning=1,
    wordings=(
        Wording(entity="org", mode="delta", rows="first", ids=_school_ids, read=_school),
        Wording(entity="user", mode="delta", rows="one", ids=_people_ids, read=_person),
        Wording(entity="demographics", mode="delta", rows="one", ids=_student_ids, read=_birth),
    ),
)
