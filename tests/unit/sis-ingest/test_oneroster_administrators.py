"""Administrators of 1.1: their role hangs on the org, so what they say does too."""

from typing import Any

from sis_ingest.oneroster.wording import OneRosterWording
from sis_ingest.ports.pulls import Piece
from sis_ingest.sources.infinite_campus.normalise import CampusWording

ADMINISTRATOR = {
    "sourcedId": "u1", "status": "active", "enabledUser": "true", "username": "u1",
    "givenName": "Ada", "familyName": "Made-up", "role": "administrator",
    "orgs": [{"sourcedId": "o1"}],
}  # fmt: skip


def worded(org_type: str, item: dict[str, Any]) -> tuple[OneRosterWording, Piece]:
    orgs = [{"sourcedId": "o1", "type": org_type}]
    wording = OneRosterWording(lambda name: iter(orgs if name == "orgs" else ()))
    (piece,) = wording.pieces("user", "users", item)
    return wording, piece


def test_the_type_of_the_org_is_part_of_what_an_administrator_says() -> None:
    _, at_school = worded("school", ADMINISTRATOR)
    wording, at_district = worded("district", ADMINISTRATOR)

    assert at_school.content != at_district.content
    record = wording.read("user", "users", at_district).record
    assert record is not None
    assert record["roles"][0]["role"] == "districtAdministrator"
    assert "orgTypes" not in record


def test_of_anybody_else_it_is_not() -> None:
    teacher = {**ADMINISTRATOR, "role": "teacher"}

    assert worded("school", teacher)[1].content == teacher


def test_so_it_is_at_infinite_campus() -> None:
    def content(org_type: str) -> Any:
        sections = {"orgs": [{"sourcedId": "o1", "type": org_type}], "teachers": [ADMINISTRATOR]}
        wording = CampusWording(lambda name: iter(sections.get(name, ())), roles_apart=True)
        return [p.content for p in wording.pieces("user", "teachers", ADMINISTRATOR)]

    assert content("school") != content("district")
