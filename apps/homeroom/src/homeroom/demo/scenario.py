"""The story of the demo from its first to its last line."""

from pathlib import Path

from homeroom.demo.archive import write_archive
from homeroom.demo.district import District
from homeroom.demo.first_load import load_district
from homeroom.demo.live_changes import change_a_name, enrol_new_student
from homeroom.demo.outside import Outside
from homeroom.journal import Journal

SEED = 20_260


def make_district(journal: Journal, *, students: int, school_year: int, file: Path) -> None:
    """Write the made-up district of that size to `file`."""
    district = District(students=students, seed=SEED, school_year=school_year)
    with journal.step("make up a district") as step:
        write_archive(district, file)
        size = file.stat().st_size
        step.detail = f"{students:,} students, {len(district.schools)} schools, {size:,} bytes"


def tell(outside: Outside, *, file: Path) -> None:
    """Tell the whole story with the district in `file`, which may be anybody's."""
    load_district(outside, file)
    enrol_new_student(outside)
    change_a_name(outside)
