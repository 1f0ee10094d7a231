"""A district of 15,000 students that nobody here wrote goes the same way, number by number.

The file lies outside the project (its makers gave no licence); without it the test says so.
"""

from pathlib import Path

import pytest

from tests.support.demo import run_demo

DISTRICT = (
    Path(__file__).parents[3]
    / "shared/data/oneroster/generated-district/oneroster-1.1-district.zip"
)


@pytest.mark.timeout(900)
@pytest.mark.skipif(not DISTRICT.exists(), reason=f"no {DISTRICT.name} beside the project")
def test_every_row_of_a_foreign_district_reaches_vendor_and_directory(tmp_path: Path) -> None:
    evidence = run_demo(tmp_path, "--zip", str(DISTRICT), within_s=840)

    assert evidence["outcome"] == "ok"
    assert evidence["found"]["roster"] == {
        "orgs": 31,
        "users": 15_300,
        "classes": 600,
        "enrollments": 71_626,
    }
    assert evidence["found"]["accounts"] == 15_300
