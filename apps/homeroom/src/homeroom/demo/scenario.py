"""The story of the demo from its first to its last line."""

from pathlib import Path

from homeroom.demo.agreement import agree
from homeroom.demo.archive import write_archive
from homeroom.demo.cast import choose
from homeroom.demo.clerk_changes import tell_changes
from homeroom.demo.devices import register_devices
from homeroom.demo.district import District
from homeroom.demo.first_load import load_district
from homeroom.demo.first_pull import read_district
from homeroom.demo.help_desk import write_a_ticket
from homeroom.demo.live_changes import (
    change_a_name,
    enrol_new_student,
    move_to_another_class,
    move_to_another_school,
    withdraw,
)
from homeroom.demo.mass_withdrawal import lose_a_third, withdraw_a_third
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.office import Office
from homeroom.journal import Journal

SEED = 20_260
CHAPTERS = (
    enrol_new_student,
    change_a_name,
    move_to_another_class,
    move_to_another_school,
    withdraw,
    write_a_ticket,
)


def make_district(journal: Journal, *, students: int, school_year: int, file: Path) -> None:
    """Write the made-up district of that size to `file`."""
    district = District(students=students, seed=SEED, school_year=school_year)
    with journal.step("make up a district") as step:
        write_archive(district, file)
        size = file.stat().st_size
        step.detail = f"{students:,} students, {len(district.schools)} schools, {size:,} bytes"


def tell_with_clerk(outside: Outside, office: Office) -> None:
    """Tell the same story where the changes are typed in an emulated SIS."""
    read_district(outside, office)
    cast = choose(outside)
    register_devices(outside, cast)
    tell_changes(outside, office, cast)
    write_a_ticket(outside, cast)
    withdraw_a_third(outside, office)
    outside.journal.display.say()
    agree(outside)


def tell(outside: Outside, *, file: Path, scratch: Path) -> None:
    """Tell the whole story with the district in `file`, which may be anybody's.

    `scratch` is a folder for files that the story makes.
    """
    load_district(outside, file)
    cast = choose(outside)
    register_devices(outside, cast)
    for tell_chapter in CHAPTERS:
        tell_chapter(outside, cast)
    lose_a_third(outside, file, shrunken=scratch / "shrunken.zip")
    outside.journal.display.say()
    agree(outside)
