"""What a spreadsheet would run as a formula is kept from it, and comes back as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_common.csv_formulas import guarded, unguarded


@pytest.mark.parametrize("text", ["=1+1", "+49", "-1", "@x", "\tx", "\rx", "'=x", "''@"])
def test_free_text_that_would_run_begins_with_an_apostrophe(text: str) -> None:
    assert guarded("title", text) == f"'{text}"
    assert guarded("metadata.note", text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Algebra", "'tis", "1-2", " =x"])
def test_other_free_text_stays_as_it_is(text: str) -> None:
    assert guarded("title", text) == text


@pytest.mark.parametrize("column", ["sourcedId", "phone", "email", "username", "courseCode"])
def test_what_machines_match_is_never_changed(column: str) -> None:
    assert guarded(column, "+49") == "+49"
    assert unguarded(column, "'+49") == "'+49"


@given(text=st.text(alphabet="'=+-@\t\rab ", max_size=6), column=st.sampled_from(["name", "phone"]))
def test_whatever_was_written_is_read_back(text: str, column: str) -> None:
    assert unguarded(column, guarded(column, text)) == text
