"""A registration as the system that took it tells it, in JSON or as a row of a table. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from roster_common.contracts.values import SourcedId
from roster_common.errors import Invalid
from sis_ingest.tables.cells import day
from sis_ingest.tables.columns import Column
from sis_ingest.tables.table import Row

MAX_GUARDIANS: Final = 4

_Filled = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00]*$")
]


class _Form(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, alias_generator=to_camel
    )


class Guardian(_Form):
    """Who speaks for the student; reachable by at least one of e-mail and phone."""

    given_name: _Filled
    family_name: _Filled
    email: _Filled | None = None
    phone: _Filled | None = None
    relationship: _Filled | None = None


class Closed(_Form):
    """A registration that is over, whatever became of it."""

    registration_id: SourcedId


class Registration(Closed):
    """A student to come. `school` is the school's number, as the SIS has it in `identifier`."""

    given_name: _Filled
    family_name: _Filled
    middle_name: _Filled | None = None
    preferred_first_name: _Filled | None = None
    birth_date: date
    grade: _Filled
    school: _Filled
    school_name: _Filled | None = None
    start_date: date
    state_id: _Filled | None = None
    student_number: _Filled | None = None
    guardians: Annotated[tuple[Guardian, ...], Field(max_length=MAX_GUARDIANS)] = ()


def _guardian_columns(number: int) -> Iterable[Column]:
    who = [f"{word} {number}" for word in ("Parent", "Parent/Guardian", "Contact")]
    if number == 1:
        who += ["Guardian", "Parent", "Parent/Guardian"]
    for name, words in (
        ("GivenName", ("First Name", "First")),
        ("FamilyName", ("Last Name", "Last")),
        ("Email", ("Email", "Email Address")),
        ("Phone", ("Phone", "Phone Number", "Cell", "Mobile")),
        ("Relationship", ("Relationship", "Relation", "Relationship to Student")),
    ):
        own = [f"Guardian {number} {word}" for word in words]
        yield Column(
            name=f"guardian{number}{name}",
            aliases=(*own, *(f"{one} {word}" for one in who for word in words)),
        )


COLUMNS: Final = (
    Column(
        name="registrationId",
        aliases=("Registration Number", "Application ID", "Submission ID", "Applicant ID"),
        required=True,
    ),
    Column(
        name="givenName",
        aliases=("First Name", "Student First Name", "Applicant First Name", "Legal First Name"),
        required=True,
    ),
    Column(
        name="familyName",
        aliases=("Last Name", "Student Last Name", "Applicant Last Name", "Legal Last Name"),
        required=True,
    ),
    Column(name="middleName", aliases=("Student Middle Name",)),
    Column(name="preferredFirstName", aliases=("Preferred Name", "Nickname")),
    Column(
        name="birthDate",
        aliases=("DOB", "Date of Birth", "Student DOB", "Birthday"),
        required=True,
    ),
    Column(
        name="grade",
        aliases=("Grade Level", "Entering Grade", "Grade Applied For"),
        required=True,
    ),
    Column(
        name="school",
        aliases=("School Code", "School Number", "School ID", "School of Enrollment"),
        required=True,
    ),
    Column(name="schoolName"),
    Column(
        name="startDate",
        aliases=("Desired Start", "Desired Start Date", "Enrollment Date", "First Day"),
        required=True,
    ),
    Column(name="stateId", aliases=("State Student ID", "SSID", "State ID Number")),
    Column(name="studentNumber", aliases=("Student ID", "Local Student ID", "Local ID")),
    Column(name="status", aliases=("Registration Status", "Application Status")),
    *(column for number in range(1, MAX_GUARDIANS + 1) for column in _guardian_columns(number)),
)

_OF_GUARDIAN: Final = re.compile(r"guardian(\d)(\w)(\w*)")
_IN_GUARDIAN: Final = re.compile(r"guardians\.(\d)\.(\w)(\w*)")


def sound(form: Registration) -> Registration:
    """The same. Raises `Invalid` where its dates cannot be, or nobody could reach a guardian."""
    if form.birth_date >= form.start_date:
        raise Invalid("born_after_start", field="birthDate")
    for place, guardian in enumerate(form.guardians):
        if guardian.email is None and guardian.phone is None:
            raise Invalid("no_contact", field=f"guardians.{place}.email")
    return form


def as_form(row: Row) -> Mapping[str, Any]:
    """The row in the form's words. Raises `Invalid`: a date."""
    form: dict[str, Any] = {
        name: value for name, value in row.items() if not _OF_GUARDIAN.fullmatch(name)
    }
    form |= {
        name: found for name in ("birthDate", "startDate") if (found := day(row, name)) is not None
    }
    return {**form, "guardians": [fields for _, fields in sorted(_guardians(row).items())]}


def guardian_places(row: Row) -> Sequence[int]:
    """Which guardians the row tells, from 1."""
    return sorted(_guardians(row))


def as_column(field: str | None, places: Sequence[int]) -> str | None:
    """The column that a form's field was read from."""
    found = _IN_GUARDIAN.fullmatch(field or "")
    if found is None:
        return field
    return f"guardian{places[int(found[1])]}{found[2].upper()}{found[3]}"


def _guardians(row: Row) -> dict[int, dict[str, str]]:
    people: dict[int, dict[str, str]] = {}
    for name, value in row.items():
        found = _OF_GUARDIAN.fullmatch(name)
        if found is not None:
            people.setdefault(int(found[1]), {})[found[2].lower() + found[3]] = value
    return people
