"""Waiting gives up by name; the journal knows what ended and what was under way."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from homeroom.demo.evidence import Evidence
from homeroom.display import Display
from homeroom.errors import CommandFailed, TookTooLong
from homeroom.failure import describe, explain
from homeroom.journal import Journal
from homeroom.parts.processes import ChildFailed
from homeroom.waiting import wait_for


def test_waiting_ends_with_the_first_answer() -> None:
    answers = iter([None, None, 7, 8])

    assert wait_for("a number", lambda: next(answers), within_s=5, every_s=0.001) == 7


def test_an_answer_that_is_zero_or_empty_is_an_answer() -> None:
    assert wait_for("a count", lambda: 0, within_s=0) == 0


def test_waiting_gives_up_and_names_what_did_not_come_and_what_was_seen() -> None:
    with pytest.raises(TookTooLong, match=r"an account did not happen within 0 s; last seen: 3"):
        wait_for("an account", lambda: None, within_s=0, last_seen=lambda: "3")


def test_waiting_stops_at_once_when_the_check_raises() -> None:
    def died() -> None:
        raise ChildFailed("sis-ingest", "ended with exit code 1", tail="")

    with pytest.raises(ChildFailed, match="sis-ingest ended"):
        wait_for("anything", lambda: None, within_s=60, check=died)


def test_the_journal_keeps_the_order_and_the_step_that_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal = Journal(display=Display(plain=True))
    with journal.step("first") as step:
        step.detail, step.ms = "as told", 12.4
    with pytest.raises(CommandFailed), journal.step("second", owner="sis-ingest"):
        raise CommandFailed("no")

    assert [step.name for step in journal.done] == ["first"]
    assert journal.current is not None
    assert journal.current.name == "second"
    assert "12 ms  first: as told" in capsys.readouterr().out


def test_a_failure_names_step_reason_and_the_log_of_the_dead_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal = Journal(display=Display(plain=True))
    error = ChildFailed("sis-ingest", "ended with exit code 3", tail="one\ntwo")
    with pytest.raises(ChildFailed), journal.step("read the zip", owner="roster-publisher"):
        raise error

    explain(journal.display, journal, error)

    printed = capsys.readouterr().out
    assert "FAILED at step: read the zip" in printed
    assert "sis-ingest ended with exit code 3" in printed
    assert "last lines of sis-ingest:" in printed
    assert "two" in printed


def test_the_text_of_a_foreign_error_is_not_shown() -> None:
    told = describe(ValueError("Marigold Newcomb"))

    assert told == "something that nobody foresaw (builtins.ValueError)"


def test_a_plain_bar_prints_tenths_and_not_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(plain=True).bar("rows") as advance:
        for done in range(101):
            advance(done, 100)

    assert len(capsys.readouterr().out.splitlines()) == 11


def test_square_brackets_are_printed_and_not_read_as_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Display(plain=True).say("a [list] of [red]things[/red]")

    assert capsys.readouterr().out == "a [list] of [red]things[/red]\n"


def test_a_run_that_could_not_begin_leaves_the_evidence_of_another_alone(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json"
    file.write_text("another run's", encoding="utf-8")
    journal = Journal(display=Display(plain=True))
    with pytest.raises(CommandFailed), journal.step("folder and ports are free"):
        raise CommandFailed("taken")

    Evidence(file=file, began=datetime(2026, 11, 22, tzinfo=UTC)).write(journal)

    assert file.read_text(encoding="utf-8") == "another run's"


def test_an_interrupted_run_is_not_told_as_a_success(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json"
    journal = Journal(display=Display(plain=True))
    with journal.step("first"):
        pass

    Evidence(file=file, began=datetime(2026, 11, 22, tzinfo=UTC)).write(journal)

    evidence = json.loads(file.read_text(encoding="utf-8"))
    assert evidence["outcome"] == "failed"
    assert [step["name"] for step in evidence["steps"]] == ["first"]
