"""`make bench` measures on a server that syncs to disk, and says so in its file."""

import json
import subprocess
import sys
from pathlib import Path

from homeroom.parts.postgres import RunningPostgres

ROOT = Path(__file__).resolve().parents[3]


def test_a_quick_run_of_one_section_writes_its_rows_and_the_facts_of_the_machine(
    postgres: RunningPostgres, tmp_path: Path
) -> None:
    del postgres  # asked for only so that this skips, with the reason, where there is none
    written = tmp_path / "figures.json"

    ended = subprocess.run(
        [sys.executable, "tests/bench/run.py", "--quick", "--only", "append", "--json", written],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    document = json.loads(written.read_text("utf-8"))
    rows = {row["row"]: row for row in document["rows"]}
    assert set(rows) == {
        "append.single.1",
        "append.batch.1",
        "append.single.4",
        "append.batch.4",
        "append.single.4.hot",
        "copy.bulk",
    }
    assert all(row["figure"] > 0 for row in rows.values())
    assert rows["append.batch.1"]["ratio"] > 0
    assert rows["append.single.4"]["mark"] == {"at_least": 4300}
    assert document["machine"]["postgresql"]["fsync"] == "on"
    assert document["machine"]["cores"] >= 1
    assert document["notMeasured"] == {}


def test_the_file_names_no_folder_and_no_host(postgres: RunningPostgres, tmp_path: Path) -> None:
    del postgres
    written = tmp_path / "figures.json"

    subprocess.run(
        [sys.executable, "tests/bench/run.py", "--quick", "--only", "http", "--json", written],
        cwd=ROOT,
        capture_output=True,
        timeout=100,
        check=True,
    )

    text = written.read_text("utf-8")
    assert "127.0.0.1" not in text
    assert str(Path.home()) not in text
    assert str(ROOT) not in text
    assert "http.yardstick.8" in text
