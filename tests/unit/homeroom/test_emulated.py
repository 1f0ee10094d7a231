"""An emulated SIS as the demo meets it: our ids for the records of its office."""

from homeroom.emulated import Emulated

SCHOOLS = [
    {"table": "schools", "dcid": 10, "sourcedIds": {"oneRoster12": "b", "rest": "10"}},
    {"table": "schools", "dcid": 9, "sourcedIds": {"oneRoster12": "a", "rest": "9"}},
]


def test_the_one_school_vendor_gets_the_first_school_of_the_office() -> None:
    for face, ours in (("powerschool", "school-9"), ("infinitecampus", "a")):
        emulated = Emulated(face=face, told={}, schools=SCHOOLS)

        assert emulated.first_school() == ours


def test_what_is_not_shown_to_us_has_no_id_of_ours() -> None:
    assert Emulated(face="powerschool", told={}).our_id({"table": "contacts", "dcid": 1}) is None
