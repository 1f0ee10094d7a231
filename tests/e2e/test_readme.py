"""README.md promises commands; each of them is there, with the options it is shown with."""

import re
from pathlib import Path

from tests.support.shown_commands import complaint, lines_of, shell_lines

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    words = {word for line in lines_of("make", README) for word in line[1:]}
    promised = {word for word in words if "=" not in word and not word.startswith("-")}

    assert promised - targets == set()
    assert "demo" in promised
    assert "up" in promised


def test_every_homeroom_command_in_the_readme_exists_with_its_options() -> None:
    lines = lines_of("homeroom", README)

    assert [found for line in lines if (found := complaint(line))] == []
    assert lines


def test_the_extractor_reads_commands_and_leaves_their_output() -> None:
    readme = "```console\n$ make demo KAFKA=1  # over Kafka\nOK\n```\n```python\nmake = 1\n```\n"

    assert list(shell_lines(readme)) == [["make", "demo", "KAFKA=1"]]
