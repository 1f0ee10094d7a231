"""When two records say the same, and where their ids stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sis_ingest.domain.records import canonical, changed_fields, content_hash, to_bytes
from sis_ingest.domain.references import ids_in, with_ids

ROLES = [
    {"roleType": "primary", "role": "student", "org": {"sourcedId": "s1"}},
    {"roleType": "secondary", "role": "student", "org": {"sourcedId": "s2"}},
    {"roleType": "secondary", "role": "aide", "org": {"sourcedId": "s1"}},
]


def fingerprint(record) -> bytes:
    return content_hash(to_bytes(canonical(record)))


@given(st.permutations(ROLES), st.permutations(["sourcedId", "roles", "givenName"]))
def test_order_of_fields_and_of_roles_is_no_content(roles, names) -> None:
    record = {"sourcedId": "u1", "givenName": "Ada", "roles": roles}

    assert fingerprint({name: record[name] for name in names}) == fingerprint(
        {"sourcedId": "u1", "givenName": "Ada", "roles": ROLES}
    )


def test_status_date_and_password_are_no_content() -> None:
    assert canonical(
        {
            "sourcedId": "u1",
            "status": "active",
            "dateLastModified": "2026-11-21",
            "password": "hunter2",
            "email": None,
        }
    ) == {"sourcedId": "u1"}


def test_order_of_grades_and_subjects_is_content() -> None:
    assert fingerprint({"sourcedId": "c", "subjects": ["a", "b"]}) != fingerprint(
        {"sourcedId": "c", "subjects": ["b", "a"]}
    )


def test_changed_fields_are_named_and_a_new_record_names_all() -> None:
    assert changed_fields({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ("b", "c")
    assert changed_fields({"a": 1}, {}) == ("a",)
    assert changed_fields(None, {"sourcedId": "x", "b": 1, "a": 2}) == ("a", "b")


@pytest.mark.parametrize(
    ("entity", "record", "expected"),
    [
        (
            "user",
            {
                "sourcedId": "u",
                "roles": ROLES[:2],
                "agents": [{"sourcedId": "p"}],
                "primaryOrg": {"sourcedId": "s1"},
            },
            [("user", "u"), ("org", "s1"), ("org", "s2"), ("org", "s1"), ("user", "p")],
        ),
        (
            "class",
            {
                "sourcedId": "c",
                "course": {"sourcedId": "k"},
                "school": {"sourcedId": "s"},
                "terms": [{"sourcedId": "t1"}, {"sourcedId": "t2"}],
            },
            [
                ("class", "c"),
                ("course", "k"),
                ("org", "s"),
                ("academicSession", "t1"),
                ("academicSession", "t2"),
            ],
        ),
        ("demographics", {"sourcedId": "u"}, [("user", "u")]),
        ("org", {"sourcedId": "o"}, [("org", "o")]),
    ],
)
def test_every_id_in_a_record_is_found_in_its_space(entity, record, expected) -> None:
    assert sorted(ids_in(entity, record)) == sorted(expected)


def test_every_id_in_a_record_is_replaced_and_the_original_is_left_alone() -> None:
    record = {
        "sourcedId": "e",
        "role": "student",
        "user": {"sourcedId": "u", "type": "user"},
        "class": {"sourcedId": "c", "type": "class"},
        "school": {"sourcedId": "s", "type": "org"},
    }
    ids = {("enrollment", "e"): "E", ("user", "u"): "U", ("class", "c"): "C", ("org", "s"): "S"}

    ours = with_ids("enrollment", record, ids)

    assert ours == {
        "sourcedId": "E",
        "role": "student",
        "user": {"sourcedId": "U", "type": "user"},
        "class": {"sourcedId": "C", "type": "class"},
        "school": {"sourcedId": "S", "type": "org"},
    }
    assert record["user"]["sourcedId"] == "u"
