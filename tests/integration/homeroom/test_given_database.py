"""A database given by address: the demo empties only what it marked, and nobody's work."""

from pathlib import Path

import pytest

from homeroom import given_database
from homeroom.__main__ import main
from homeroom.errors import CommandFailed
from homeroom.migrate import migrate_all
from homeroom.parts import postgres_admin
from tests.support.demo import start_demo

KEPT = "INSERT INTO sis_ingest.kept VALUES (1)"


def installed(url: str) -> None:
    """Somebody's installation, with something in it."""
    migrate_all(url, on_schema=lambda _schema: None)
    postgres_admin.execute(url, "CREATE TABLE sis_ingest.kept (id int)", KEPT)


def test_the_demo_leaves_the_database_of_an_installation_as_it_is(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(database_url)
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", database_url)

    ended = start_demo(tmp_path / "demo", "--students", "26")

    assert ended.returncode == 1
    assert "holds an installation of Homeroom" in ended.stdout
    assert database_url not in ended.stdout + ended.stderr
    postgres_admin.execute(database_url, KEPT)
    assert given_database.MARK not in postgres_admin.schemas(database_url)


def test_what_an_earlier_run_left_is_thrown_away_and_other_schemas_stay(database_url: str) -> None:
    given_database.take_over(database_url)
    installed(database_url)
    postgres_admin.execute(database_url, "CREATE SCHEMA others")

    given_database.take_over(database_url)

    found = postgres_admin.schemas(database_url)
    assert found >= {given_database.MARK, "others"}
    assert found.isdisjoint(given_database.OURS)


def test_who_migrates_by_hand_keeps_the_database(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_database.take_over(database_url)
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", database_url)
    with pytest.raises(SystemExit) as ended:
        main(["migrate"])

    assert ended.value.code == 0
    with pytest.raises(CommandFailed, match="none of this command's"):
        given_database.take_over(database_url)
