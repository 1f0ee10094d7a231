"""The tables shown in the how-to are read as they stand."""

import re
from pathlib import Path

import pytest

from sis_ingest.ports.sources import SourceSpec
from sis_ingest.sources.intake.spec import SPEC as INTAKE
from sis_ingest.sources.staff_csv.spec import SPEC as STAFF
from tests.support.tables import ReadTable

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "connect-a-sis.md"
TABLES = re.findall(
    r"^```csv\n(Employee|Registration)(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize(
    ("first", "spec", "people"), [("Employee", STAFF, 2), ("Registration", INTAKE, 4)]
)
def test_a_table_of_the_howto_is_read_whole(
    tmp_path: Path, first: str, spec: SourceSpec, people: int
) -> None:
    (rest,) = [rest for word, rest in TABLES if word == first]
    path = tmp_path / "file.raw"
    path.write_text(first + rest)
    assert spec.snapshot is not None

    told = ReadTable(spec.snapshot, path)

    assert (told.problems, told.refused, told.warnings) == ([], [], [])
    assert sum(entity == "user" for entity, _ in told.records) == people
