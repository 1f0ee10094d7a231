"""What is wrong in the environment is named in one line, never shown, and never a traceback."""

from pathlib import Path

import pytest

from homeroom.__main__ import main
from homeroom.services import PROCESSES
from tests.support.tiny_homeroom import TinyHomeroom

Printed = pytest.CaptureFixture[str]


def refused(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HOMEROOM_PORT_BASE", "abc", ["status"]),
        ("HOMEROOM_DATABASE_URL", "postgresql://u:Pa/abc@h:5432/d", ["migrate"]),
        ("HOMEROOM_DATABASE_URL", "postgresql://u:Pa#abc@h:5432/d", ["doctor"]),
    ],
)
def test_a_variable_at_fault_is_named_and_its_value_is_not(
    name: str, value: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv(name, value)

    assert refused(*words) == 1

    printed = capsys.readouterr()
    assert name in printed.err
    assert "abc" not in printed.err + printed.out
    assert len(printed.err.splitlines()) == 1


def test_a_database_that_is_away_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("HOMEROOM_DATABASE_URL", "postgresql://u:pa55@127.0.0.1:1/d")

    assert refused("migrate") == 3

    assert capsys.readouterr().err.startswith("the database of HOMEROOM_DATABASE_URL is away (")


@pytest.mark.parametrize("token", ["two\nlines", "t\u00f6ken", "two words"])
def test_a_token_that_is_none_is_said_to_be_none(
    token: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("HOMEROOM_OPERATOR_TOKEN", token)

    assert refused("holds") == 1

    assert capsys.readouterr().err.startswith("HOMEROOM_OPERATOR_TOKEN holds no token")


def test_an_empty_file_of_a_token_is_no_token(tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "operator.token").write_text("\n", "utf-8")

    assert refused("holds", "--folder", str(tmp_path)) == 1

    assert capsys.readouterr().err.startswith("no operator token")


@pytest.mark.parametrize("note", ["[]", "{}", '{"pid": "x", "portBase": 1}', "half a"])
def test_a_damaged_note_of_what_runs_is_as_none(
    note: str, tmp_path: Path, capsys: Printed, tiny: TinyHomeroom
) -> None:
    (tmp_path / "running.json").write_text(note, "utf-8")

    refused("status", "--folder", str(tmp_path), "--port-base", str(tiny.base))

    assert "sis-ingest" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["holds", "show", ""],
        ["holds", "show", "h/../approve"],
        ["plans", "approve", ".."],
        ["trace", "--delivery", "people/x"],
        ["snapshot", __file__, "--source", "../holds"],
        ["republish", "nosuch", "--district", "d1"],
    ],
)
def test_a_name_that_could_lead_elsewhere_is_wrong_usage(
    words: list[str], tiny: TinyHomeroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMEROOM_OPERATOR_TOKEN", "t")

    assert refused(*words, "--port-base", str(tiny.base)) == 2

    assert tiny.asked == []


def test_services_are_asked_where_the_address_says(
    tiny: TinyHomeroom, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("HOMEROOM_OPERATOR_TOKEN", "t")
    monkeypatch.setenv("HOMEROOM_ADDRESS", "http://localhost:{port}/{service}/")

    refused("holds", "--port-base", str(tiny.base))

    assert tiny.asked[0].path.startswith("/sis-ingest/holds?")


def test_without_a_token_readiness_is_shown_and_counts_are_missed(
    tiny: TinyHomeroom, tmp_path: Path, capsys: Printed
) -> None:
    for service in PROCESSES:
        tiny.says(service, "GET /readyz", {"status": "ready", "checks": {}})

    assert refused("status", "--folder", str(tmp_path), "--port-base", str(tiny.base)) == 1

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines[1:6]] == [[one.name, "yes"] for one in PROCESSES]
    assert {tuple(line[1:]) for line in lines[6:]} == {
        ("no", "counts", "without", "an", "operator", "token")
    }
