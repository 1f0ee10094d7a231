"""What is printed for a person is what was said."""

import pytest

from homeroom.display import Display

# A group's id in a directory, and brackets as they stand in names of courses.
SAID = "k12:school:school-001:students [b]Algebra[/b]"


def test_no_text_is_taken_for_markup_or_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(plain=True)

    display.say(SAID)
    display.good(SAID)
    display.bad(SAID)
    display.table("groups", ["id"], [[SAID]])

    assert capsys.readouterr().out.count(SAID) == 4
