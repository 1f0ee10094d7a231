"""Generated files are what the classes would generate now, and nothing released is broken."""

import json
import shutil
from pathlib import Path

import pytest

from roster_common.contracts.__main__ import ROOM, main

DOCUMENT = Path(__file__).parents[3] / "docs" / "asyncapi.json"


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A copy of the generated folders that a test may spoil."""
    for folder in ("schemas", "released", "examples"):
        shutil.copytree(ROOM / folder, tmp_path / folder)
    return tmp_path


def test_the_committed_files_are_current_and_break_no_release() -> None:
    assert main(["--check", "--asyncapi", str(DOCUMENT)]) == 0


def test_a_schema_edited_by_hand_is_found(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = room / "schemas" / "k12.roster.class.v1.schema.json"
    path.write_text(path.read_text("utf-8").replace("classCode", "code"), "utf-8")

    code = main(["--check"], room=room)

    assert code == 1
    assert "schemas/k12.roster.class.v1.schema.json: stale" in capsys.readouterr().out


def test_a_type_without_example_is_found(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (room / "examples" / "k12.asset.lost.v1" / "1.json").unlink()

    code = main(["--check"], room=room)

    assert code == 1
    assert "k12.asset.lost.v1: no examples/" in capsys.readouterr().out


def test_a_released_type_that_vanished_is_found(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (room / "released" / "k12.roster.pupil.v1.schema.json").write_text("{}", "utf-8")

    code = main(["--check"], room=room)

    assert code == 1
    assert "k12.roster.pupil.v1: released, but no longer" in capsys.readouterr().out


def test_a_break_with_a_release_is_found_and_cannot_be_released_over(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = room / "released" / "k12.asset.requested.v1.schema.json"
    released = json.loads(path.read_text("utf-8"))
    released["properties"]["priority"] = {"type": "string"}
    path.write_text(json.dumps(released), "utf-8")
    before = path.read_text("utf-8")

    code = main(["--release"], room=room)

    assert code == 1
    assert path.read_text("utf-8") == before
    assert "k12.asset.requested.v1: $.priority: property removed" in capsys.readouterr().out


def test_generating_twice_changes_nothing(room: Path) -> None:
    target = room / "asyncapi.json"
    main(["--asyncapi", str(target)], room=room)
    first = {path.name: path.read_bytes() for path in (room / "schemas").iterdir()}

    main(["--asyncapi", str(target)], room=room)

    assert {path.name: path.read_bytes() for path in (room / "schemas").iterdir()} == first
    assert target.read_text("utf-8") == DOCUMENT.read_text("utf-8")
