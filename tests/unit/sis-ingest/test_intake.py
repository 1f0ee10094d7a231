"""Registrations, by webhook and by file: what they become, and what is refused by which field."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_common.errors import Invalid
from sis_ingest.domain.deliveries import Incoming
from sis_ingest.ports.snapshots import SnapshotLimits, SnapshotRefused
from sis_ingest.sources.intake.form import COLUMNS, MAX_GUARDIANS
from sis_ingest.sources.intake.spec import SPEC
from sis_ingest.tables.columns import folded
from tests.support.ingesting import envelope
from tests.support.tables import ReadTable, written

SUBMITTED = "registrations.submitted"


def guardian(**more: Any) -> dict[str, Any]:
    return {"givenName": "Anne", "familyName": "Milbanke", "email": "anne@example.org", **more}


def form(**more: Any) -> dict[str, Any]:
    whole = {
        "registrationId": "r1", "givenName": "Ada", "familyName": "Byron",
        "birthDate": "2020-12-10", "grade": "K", "school": "12", "startDate": "2026-08-17",
        "guardians": [guardian(relationship="Mother")], **more,
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}


def row(**more: str) -> dict[str, str]:
    return {
        "registrationId": "r1", "givenName": "Ada", "familyName": "Byron",
        "birthDate": "12/10/2020", "grade": "K", "school": "12", "startDate": "2026-08-17",
        "guardian1GivenName": "Anne", "guardian1FamilyName": "Milbanke",
        "guardian1Email": "anne@example.org", "guardian1Relationship": "Mother", **more,
    }  # fmt: skip


def told(data: dict[str, Any], kind: str = SUBMITTED) -> Sequence[Incoming]:
    return SPEC.webhook.read({}, envelope(kind, data))


def read(tmp_path: Path, rows: Sequence[dict[str, str]], **how: Any) -> ReadTable:
    path = tmp_path / "file.raw"
    path.write_bytes(written(rows))
    return ReadTable(SPEC.snapshot, path, **how)


def roles(role: str) -> list[dict[str, Any]]:
    return [
        {
            "roleType": "primary", "role": role, "beginDate": "2026-08-17",
            "org": {"sourcedId": "school-12", "type": "org"},
        }
    ]  # fmt: skip


WHOLE = {
    ("org", "school-12"): {
        "sourcedId": "school-12", "name": "12", "type": "school", "identifier": "12",
    },
    ("user", "registration-r1"): {
        "sourcedId": "registration-r1", "enabledUser": False, "givenName": "Ada",
        "familyName": "Byron", "grades": ["KG"], "roles": roles("student"),
        "agents": [{"sourcedId": "registration-r1-1", "type": "user"}],
    },
    ("user", "registration-r1-1"): {
        "sourcedId": "registration-r1-1", "enabledUser": False, "givenName": "Anne",
        "familyName": "Milbanke", "email": "anne@example.org", "roles": roles("parent"),
        "agents": [{"sourcedId": "registration-r1", "type": "user"}],
    },
    ("demographics", "registration-r1"): {
        "sourcedId": "registration-r1", "birthDate": "2020-12-10",
    },
}  # fmt: skip


def test_a_registration_is_a_student_to_come_with_guardians() -> None:
    changes = told(form())

    assert {(c.entity, c.external_id): c.record for c in changes if not c.deleted} == WHOLE
    assert [c.external_id for c in changes if c.deleted] == [
        f"registration-r1-{n}" for n in range(2, MAX_GUARDIANS + 1)
    ]


def test_a_file_says_what_a_webhook_says(tmp_path: Path) -> None:
    found = read(tmp_path, [row()])

    assert found.records == WHOLE
    assert (found.refused, found.warnings, found.gone) == ([], [], set())


def test_a_school_has_its_name_and_a_student_their_keys() -> None:
    changes = told(
        form(schoolName="Oak", stateId=" S1 ", studentNumber="77", grade="9", guardians=None)
    )
    found = {(c.entity, c.external_id): c.record or {} for c in changes if not c.deleted}

    assert found["org", "school-12"]["name"] == "Oak"
    student = found["user", "registration-r1"]
    assert (student["userMasterIdentifier"], student["identifier"]) == ("S1", "77")
    assert student["grades"] == ["09"]
    assert "agents" not in student


@pytest.mark.parametrize(
    ("relationship", "role"),
    [("Father", "parent"), ("aunt", "relative"), ("case worker", "guardian"), (None, "guardian")],
)
def test_who_speaks_for_a_student_has_a_role(relationship: str | None, role: str) -> None:
    changes = told(form(guardians=[guardian(relationship=relationship)]))

    (found,) = [c.record for c in changes if c.external_id == "registration-r1-1"]
    assert (found or {})["roles"][0]["role"] == role


def test_a_closed_registration_ends_all_that_it_may_have_made() -> None:
    changes = told({"registrationId": "r1"}, "registrations.closed")

    assert all(change.deleted for change in changes)
    assert [(c.entity, c.external_id) for c in changes] == [
        ("demographics", "registration-r1"),
        ("user", "registration-r1"),
        *(("user", f"registration-r1-{n}") for n in range(1, MAX_GUARDIANS + 1)),
    ]


@pytest.mark.parametrize("status", ["Withdrawn", "enrolled", "DUPLICATE"])
def test_a_row_may_close_its_registration(tmp_path: Path, status: str) -> None:
    found = read(tmp_path, [row(status=status), row(registrationId="r2", status="Accepted")])

    assert found.gone == {
        ("user", "registration-r1"),
        ("user", "registration-r1-1"),
        ("demographics", "registration-r1"),
    }


NEEDED = ("registrationId", "givenName", "familyName", "birthDate", "grade", "school", "startDate")


@pytest.mark.parametrize("field", NEEDED)
@pytest.mark.parametrize("value", [None, " "])
def test_what_a_form_needs_is_named(field: str, value: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        told(form(**{field: value}))

    assert refused.value.field == f"data.{field}"


@pytest.mark.parametrize("field", NEEDED)
def test_what_a_row_needs_is_named(tmp_path: Path, field: str) -> None:
    found = read(tmp_path, [row(), row(registrationId="r2") | {field: " "}])

    assert {(reason, name, first) for reason, name, _, first in found.refused} == {
        ("missing", field, 3)
    }
    assert ("user", "registration-r1") in found.records


BAD = [
    ({"birthDate": "2026-08-17"}, "born_after_start", "birthDate"),
    ({"registrationId": "a\nb"}, "string_pattern_mismatch", "registrationId"),
]
BAD_GUARDIANS = [
    ({"email": None}, "no_contact", "email"),
    ({"familyName": None}, "missing", "familyName"),
    ({"givenName": None}, "missing", "givenName"),
]


@pytest.mark.parametrize(("change", "reason", "field"), BAD)
def test_a_bad_form_is_refused_by_its_field(
    tmp_path: Path, change: dict[str, str], reason: str, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        told(form(**change))

    assert (refused.value.reason, refused.value.field) == (reason, f"data.{field}")
    found = read(tmp_path, [row(**change)])
    assert {(r[0], r[1]) for r in found.refused} == {(reason, field)}


@pytest.mark.parametrize(("change", "reason", "field"), BAD_GUARDIANS)
def test_a_bad_guardian_is_refused_by_number_and_field(
    tmp_path: Path, change: dict[str, Any], reason: str, field: str
) -> None:
    bad = {name: value for name, value in guardian(**change).items() if value is not None}

    with pytest.raises(Invalid) as refused:
        told(form(guardians=[guardian(), bad]))

    assert (refused.value.reason, refused.value.field) == (reason, f"data.guardians.1.{field}")
    columns = {f"guardian3{name[0].upper()}{name[1:]}": value for name, value in bad.items()}
    found = read(tmp_path, [row(**columns)])
    expected = f"guardian3{field[0].upper()}{field[1:]}"
    assert {(r[0], r[1]) for r in found.refused} == {(reason, expected)}


def test_too_many_guardians_and_unknown_types_are_refused() -> None:
    with pytest.raises(Invalid) as many:
        told(form(guardians=[guardian()] * (MAX_GUARDIANS + 1)))
    with pytest.raises(Invalid) as unknown:
        told(form(), "users.upserted")

    assert many.value.field == "data.guardians"
    assert (unknown.value.reason, unknown.value.field) == ("unknown_type", "type")


def test_dates_and_words_of_a_row_are_refused_by_column(tmp_path: Path) -> None:
    rows = [row(birthDate="12/10/20"), row(registrationId="r2", status="Zaphod"), row()]

    found = read(tmp_path, rows)

    assert {(r[0], r[1]) for r in found.refused} == {
        ("not_a_date", "birthDate"),
        ("unknown_status", "status"),
    }


def test_no_name_of_a_column_means_two_columns() -> None:
    per_column = ({folded(name) for name in (c.name, *c.aliases)} for c in COLUMNS)
    names = Counter(name for names in per_column for name in names)

    assert [name for name, times in names.items() if times > 1] == []


def test_families_columns_are_found_under_their_many_names(tmp_path: Path) -> None:
    named = {
        "Registration ID": "r1", "Student First Name": "Ada", "Student Last Name": "Byron",
        "DOB": "12/10/2020", "Grade Level": "K", "School Code": "12",
        "Desired Start Date": "08/17/2026", "Parent/Guardian 1 First Name": "Anne",
        "Parent/Guardian 1 Last Name": "Milbanke", "Parent/Guardian 1 Email": "anne@example.org",
        "Parent/Guardian 1 Relationship": "Mother",
    }  # fmt: skip

    found = read(tmp_path, [named])

    assert found.records == WHOLE
    assert found.warnings == []


def test_a_file_without_its_columns_repeats_none_of_its_words(tmp_path: Path) -> None:
    path = tmp_path / "file.raw"
    path.write_bytes(b"r1,Zaphod,Byron\r\n")

    with pytest.raises(SnapshotRefused) as refused:
        SPEC.snapshot.open(path, limits=SnapshotLimits())

    assert {problem.column for problem in refused.value.problems} == set(NEEDED)


@given(
    st.sampled_from([SUBMITTED, "registrations.closed"]),
    st.dictionaries(
        st.sampled_from([*form(), "status", "email"]),
        st.none()
        | st.text(max_size=9)
        | st.integers(-9, 9)
        | st.lists(st.text(max_size=3), max_size=2),
    ),
)
def test_no_form_breaks_the_reader(kind: str, change: dict[str, Any]) -> None:
    with contextlib.suppress(Invalid):
        SPEC.webhook.read({}, envelope(kind, form() | change))


PEOPLE = st.fixed_dictionaries(
    {
        "givenName": st.sampled_from(["Anne", "Zoë"]),
        "familyName": st.sampled_from(["Milbanke", "O'Brien, Jr"]),
    },
    optional={
        "relationship": st.sampled_from(["Mother", "uncle", "friend"]),
        "phone": st.just("555"),
    },
)


@given(
    guardians=st.lists(PEOPLE, max_size=MAX_GUARDIANS),
    more=st.fixed_dictionaries(
        {"grade": st.sampled_from(["K", "9", "PK", "Other"])},
        optional={
            "stateId": st.just("S1"),
            "studentNumber": st.just("77"),
            "middleName": st.just("M"),
        },
    ),
)
def test_whatever_a_form_says_a_row_says_it_too(
    tmp_path_factory: pytest.TempPathFactory, guardians: list[dict], more: dict[str, str]
) -> None:
    people = [guardian(**one) for one in guardians]
    columns = {
        f"guardian{number}{name[0].upper()}{name[1:]}": value
        for number, one in enumerate(people, 1)
        for name, value in one.items()
    }
    plain = {k: v for k, v in form(guardians=None, **more).items() if isinstance(v, str)}

    changes = told(form(guardians=people, **more))
    found = read(tmp_path_factory.mktemp("intake"), [{**plain, **columns}], chunk=1)

    assert {(c.entity, c.external_id): c.record for c in changes if not c.deleted} == found.records
