"""docs/cli.md shows every command there is, each with options that exist."""

from pathlib import Path

from tests.support.shown_commands import complaint, homeroom_commands, lines_of

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_every_line_of_the_page_is_a_command_with_its_options() -> None:
    assert [found for line in lines_of("homeroom", PAGE) if (found := complaint(line))] == []


def test_every_command_is_shown() -> None:
    shown = [" ".join(line[1:]) for line in lines_of("homeroom", PAGE)]

    missing = [
        name
        for name in homeroom_commands()
        if not any(f"{s} ".startswith(f"{name} ") for s in shown)
    ]

    assert missing == []


def test_a_wrong_line_would_be_seen() -> None:
    assert complaint(["homeroom", "holds", "approve", "ID", "--force"]) == (
        "homeroom holds approve has no ['--force']"
    )
    assert complaint(["homeroom", "hold"]) == "there is no homeroom hold"
