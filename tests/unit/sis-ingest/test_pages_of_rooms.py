"""Every room of a kind of source has its page; a table's page has every name that a column has."""

from pathlib import Path

import pytest

from sis_ingest import sources
from sis_ingest.sources import KINDS
from sis_ingest.sources.intake.form import COLUMNS as REGISTRATION
from sis_ingest.sources.intake.table import _CLOSED as CLOSED
from sis_ingest.sources.staff_csv.columns import COLUMNS as STAFF
from sis_ingest.sources.staff_csv.normalise import _GONE as GONE
from sis_ingest.tables.columns import Column

ROOMS = Path(sources.__file__).parent
SETTINGS = Path(__file__).parents[3] / "docs" / "settings.md"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_page_and_stands_among_the_settings(kind: str) -> None:
    assert (ROOMS / kind / "README.md").is_file()
    assert f"`{kind}`" in SETTINGS.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "columns", "words"),
    [("staff_csv", STAFF, GONE), ("intake", REGISTRATION, CLOSED)],
    ids=["staff_csv", "intake"],
)
def test_a_page_has_every_column_and_every_status(
    kind: str, columns: tuple[Column, ...], words: dict[str, bool]
) -> None:
    page = (ROOMS / kind / "README.md").read_text(encoding="utf-8")
    # Guardians have one set of names for each number and for each word they are called by.
    told = [column for column in columns if not column.name.startswith("guardian")]

    names = [name for column in told for name in (column.name, *column.aliases)]
    assert [name for name in names if name not in page] == []
    assert all(f"**`{c.name}`**" in page for c in told if c.required)
    assert [word for word in words if word not in page] == []
