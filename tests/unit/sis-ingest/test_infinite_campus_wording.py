"""Infinite Campus's people: one record each, whatever sections and roles they stand in."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sis_ingest.ports.pulls import Piece
from sis_ingest.sources.infinite_campus.normalise import CampusWording, person_id

Given = Mapping[str, Sequence[Mapping[str, Any]]]


def old(sourced_id: str, role: str, **more: Any) -> dict[str, Any]:
    """A user of 1.1."""
    return {
        "sourcedId": sourced_id,
        "status": "active",
        "enabledUser": True,
        "givenName": "Ada",
        "familyName": "Made-up",
        "role": role,
        "orgs": [{"sourcedId": "school-1"}],
        **more,
    }


def told(sections: Given, *, roles_apart: bool, entity: Any = "user") -> list[Piece]:
    wording = CampusWording(lambda name: iter(sections.get(name, ())), roles_apart=roles_apart)
    return [
        piece
        for name, items in sections.items()
        for item in items
        for piece in wording.pieces(entity, name, item)
    ]


def read(sections: Given, piece: Piece, entity: Any = "user") -> dict[str, Any]:
    wording = CampusWording(lambda name: iter(sections.get(name, ())), roles_apart=True)
    record = wording.read(entity, "", piece).record
    assert record is not None
    return record


@pytest.mark.parametrize(
    ("outside", "person"),
    [
        ("s+123456", "123456"),
        ("s123456", "123456"),
        ("t+9", "9"),
        ("123456", "123456"),
        ("s+", "s+"),
        ("school-1", "school-1"),
        ("3f2b", "3f2b"),
    ],
)
def test_the_letter_of_a_role_goes_and_nothing_else(outside: str, person: str) -> None:
    assert person_id(outside) == person


def test_a_person_in_two_sections_is_one_record() -> None:
    both = {"sourcedId": "g1", "status": "active"}
    sections = {"students": [{"sourcedId": "g0"}, both], "teachers": [both, {"sourcedId": "g2"}]}

    assert [piece.external_id for piece in told(sections, roles_apart=False)] == ["g0", "g1", "g2"]


def test_an_id_twice_in_one_section_is_still_twice() -> None:
    sections = {"students": [{"sourcedId": "g1"}, {"sourcedId": "g1"}]}

    assert len(told(sections, roles_apart=False)) == 2


def test_a_person_with_two_users_in_1_1_is_one_with_both_roles() -> None:
    sections = {"users": [old("g+7", "guardian"), old("s+8", "student"), old("t+7", "teacher")]}

    found = {piece.external_id: piece for piece in told(sections, roles_apart=True)}

    assert found.keys() == {"7", "8"}
    roles = [one["role"] for one in read(sections, found["7"])["roles"]]
    assert sorted(roles) == ["guardian", "teacher"]


def test_a_role_that_ended_is_left_out() -> None:
    ended = old("t+7", "teacher", status="tobedeleted")
    sections = {"users": [old("g+7", "guardian"), ended]}

    (piece,) = told(sections, roles_apart=True)

    assert [one["role"] for one in read(sections, piece)["roles"]] == ["guardian"]


def test_what_refers_to_a_person_does_so_without_the_letter() -> None:
    seat = {
        "sourcedId": "e1",
        "user": {"sourcedId": "s+8"},
        "class": {"sourcedId": "c1"},
        "school": {"sourcedId": "school-1"},
        "role": "student",
    }
    child = old("s+8", "student", agents=[{"sourcedId": "g+7"}])

    enrolment = read({}, Piece(external_id="e1", content=seat), "enrollment")
    (agent,) = read({}, Piece(external_id="8", content=child))["agents"]

    assert (enrolment["user"]["sourcedId"], agent["sourcedId"]) == ("8", "7")


def test_a_status_that_nobody_knows_refuses_one_record_and_no_section() -> None:
    odd = old("t+7", "teacher", status="resting")
    sections = {"users": [old("g+7", "guardian"), odd]}

    assert len(told(sections, roles_apart=True)) == 1
