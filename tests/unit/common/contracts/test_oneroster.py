"""OneRoster objects: what is required, what is forgiven on input, what is dropped."""

from datetime import date
from typing import Any

import pytest

from roster_common.contracts.oneroster import (
    OBJECTS,
    Demographics,
    Enrollment,
    read_record,
    to_record,
)
from roster_common.contracts.oneroster_values import UserRef
from roster_common.contracts.values import Entity
from roster_common.errors import Invalid

ORG = {"href": "https://sis.example/orgs/o1", "sourcedId": "o1", "type": "org"}
BODIES: dict[Entity, dict[str, Any]] = {
    "org": {"sourcedId": "o1", "name": "Maple", "type": "school", "identifier": "12"},
    "academicSession": {
        "sourcedId": "t1",
        "title": "Fall",
        "startDate": "2026-08-24",
        "endDate": "2027-01-23",
        "type": "term",
        "schoolYear": "2027",
    },
    "course": {"sourcedId": "c1", "title": "Art", "courseCode": "ART"},
    "class": {
        "sourcedId": "k1",
        "title": "Art A",
        "course": {"sourcedId": "c1", "type": "course"},
        "school": ORG,
        "terms": [{"sourcedId": "t1", "type": "academicSession"}],
    },
    "user": {
        "sourcedId": "p1",
        "enabledUser": "true",
        "givenName": "Robin",
        "familyName": "Example",
        "roles": [{"roleType": "primary", "role": "student", "org": ORG}],
    },
    "enrollment": {
        "sourcedId": "e1",
        "user": {"sourcedId": "p1", "type": "user"},
        "class": {"sourcedId": "k1", "type": "class"},
        "school": ORG,
        "role": "student",
    },
    "demographics": {"sourcedId": "p1"},
}
REQUIRED: dict[Entity, list[str]] = {
    "org": ["sourcedId", "name", "type", "identifier"],
    "academicSession": ["sourcedId", "title", "startDate", "endDate", "type", "schoolYear"],
    "course": ["sourcedId", "title", "courseCode"],
    "class": ["sourcedId", "title", "course", "school", "terms"],
    "user": ["sourcedId", "enabledUser", "givenName", "familyName", "roles"],
    "enrollment": ["sourcedId", "user", "class", "school", "role"],
    "demographics": ["sourcedId"],
}


@pytest.mark.parametrize("entity", BODIES)
def test_the_smallest_body_of_each_entity_is_read(entity: Entity) -> None:
    record = read_record(entity, BODIES[entity])

    assert type(record) is OBJECTS[entity]


@pytest.mark.parametrize(
    ("entity", "field"), [(entity, field) for entity in REQUIRED for field in REQUIRED[entity]]
)
def test_a_body_without_a_required_field_is_refused_by_its_name(entity: Entity, field: str) -> None:
    body = {name: value for name, value in BODIES[entity].items() if name != field}

    with pytest.raises(Invalid) as caught:
        read_record(entity, body)

    assert (caught.value.reason, caught.value.field) == ("missing", field)


def test_a_record_is_written_by_exact_names_without_href_null_or_password() -> None:
    body = BODIES["user"] | {
        "password": "swordfish",
        "middleName": None,
        "userProfiles": [
            {
                "profileId": "https://app.example/p",
                "profileType": "lms",
                "vendorId": "v",
                "credentials": [{"type": "basic", "username": "robin", "password": "swordfish"}],
            }
        ],
        "agents": [{"sourcedId": "p9", "type": "user", "href": "https://sis.example/users/p9"}],
        "metadata": {"homeLanguage": "en", "nested": [1, None, {"a": True}]},
        "unheardOf": 3,
    }

    assert to_record(read_record("user", body)) == {
        "sourcedId": "p1",
        "enabledUser": True,
        "givenName": "Robin",
        "familyName": "Example",
        "roles": [
            {
                "roleType": "primary",
                "role": "student",
                "org": {"sourcedId": "o1", "type": "org"},
            }
        ],
        "userProfiles": [
            {
                "profileId": "https://app.example/p",
                "profileType": "lms",
                "vendorId": "v",
                "credentials": [{"type": "basic", "username": "robin"}],
            }
        ],
        "agents": [{"sourcedId": "p9", "type": "user"}],
        "metadata": {"homeLanguage": "en", "nested": [1, None, {"a": True}]},
    }


def test_the_names_python_cannot_spell_are_spelt_right_on_the_wire() -> None:
    enrollment = read_record("enrollment", BODIES["enrollment"] | {"primary": "false"})
    demographics = Demographics(
        sourced_id="p1",
        birth_date=date(2018, 3, 14),
        demographic_race_two_or_more_races=True,
        native_hawaiian_or_other_pacific_islander=False,
    )

    assert isinstance(enrollment, Enrollment)
    assert enrollment.class_.sourced_id == "k1"
    assert to_record(enrollment)["class"] == {"sourcedId": "k1", "type": "class"}
    assert to_record(enrollment)["primary"] is False
    assert to_record(demographics) == {
        "sourcedId": "p1",
        "birthDate": "2018-03-14",
        "demographicRaceTwoOrMoreRaces": True,
        "nativeHawaiianOrOtherPacificIslander": False,
    }


def test_a_reference_without_type_takes_the_type_of_its_place() -> None:
    body = BODIES["enrollment"] | {"user": {"sourcedId": " p1 "}}

    record = read_record("enrollment", body)

    assert isinstance(record, Enrollment)
    assert record.user == UserRef(sourced_id="p1")


@pytest.mark.parametrize(
    ("entity", "change", "field"),
    [
        ("enrollment", {"user": {"sourcedId": "p1", "type": "class"}}, "user.type"),
        ("enrollment", {"role": "principal"}, "role"),
        ("user", {"roles": []}, "roles"),
        ("user", {"sourcedId": "   "}, "sourcedId"),
        ("user", {"sourcedId": "a\nb"}, "sourcedId"),
        ("user", {"givenName": "Ro\x00bin"}, "givenName"),
        ("user", {"metadata": {"note": ["Ro\x00bin"]}}, "metadata"),
        ("user", {"metadata": {"note": "\ud800"}}, "metadata"),
        ("user", {"grades": "03"}, "grades"),
        ("class", {"terms": []}, "terms"),
        ("org", {"type": "planet"}, "type"),
        ("org", {"type": "ext:"}, "type"),
        ("academicSession", {"schoolYear": "26/27"}, "schoolYear"),
        ("academicSession", {"endDate": "2027-02-30"}, "endDate"),
        ("demographics", {"birthDate": "last spring"}, "birthDate"),
        ("demographics", {"dateLastModified": "2026-09-01T12:00:00"}, "dateLastModified"),
    ],
)
def test_a_value_the_specification_does_not_allow_is_refused_by_its_path(
    entity: Entity, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        read_record(entity, BODIES[entity] | change)

    assert caught.value.field == field


@pytest.mark.parametrize("value", ["ext:planet", "ext:a.b-c_9", "district"])
def test_an_open_enumeration_takes_extensions(value: str) -> None:
    record = read_record("org", BODIES["org"] | {"type": value})

    assert to_record(record)["type"] == value


def test_a_school_year_sent_as_a_number_is_read_as_text() -> None:
    record = read_record("academicSession", BODIES["academicSession"] | {"schoolYear": 2027})

    assert to_record(record)["schoolYear"] == "2027"
