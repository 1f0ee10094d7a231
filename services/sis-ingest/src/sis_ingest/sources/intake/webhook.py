"""What a registration system says by webhook: registrations submitted, and those that are over."""

from collections.abc import Sequence

from roster_common.errors import Invalid
from sis_ingest.domain.bodies import inside
from sis_ingest.domain.deliveries import Incoming
from sis_ingest.signed.statement import Statement
from sis_ingest.sources.intake.form import Closed, Registration, sound
from sis_ingest.sources.intake.normalise import (
    guardian_ids,
    student_id,
    to_birth,
    to_guardian,
    to_school,
    to_student,
)


def to_changes(said: Statement) -> Sequence[Incoming]:
    """All that the statement changes, targets first. Raises `Invalid` with the field's path.

    A registration said again replaces what it said before, guardians who left it included.
    """
    match said.kind:
        case "registrations.submitted":
            return _submitted(said, said.read(Registration))
        case "registrations.closed":
            return _closed(said, said.read(Closed).registration_id)
        case _:
            raise Invalid("unknown_type", field=said.type_field)


def _submitted(said: Statement, form: Registration) -> Sequence[Incoming]:
    try:
        sound(form)
    except Invalid as error:
        raise Invalid(error.reason, field=inside(said.data_field, error.field)) from None
    given = len(form.guardians)
    return [
        said.change("org", to_school(form.school, form.school_name)),
        *(said.change("user", to_guardian(form, place)) for place in range(given)),
        said.change("user", to_student(form)),
        said.change("demographics", to_birth(form)),
        *(said.deletion("user", one) for one in guardian_ids(form.registration_id)[given:]),
    ]


def _closed(said: Statement, registration_id: str) -> Sequence[Incoming]:
    student = student_id(registration_id)
    return [
        said.deletion("demographics", student),
        *(said.deletion("user", one) for one in (student, *guardian_ids(registration_id))),
    ]
