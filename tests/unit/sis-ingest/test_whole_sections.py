"""When what was pulled of a section is all there is of it: only then does absence count."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sis_ingest.domain import pulls
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.pulls import (
    Page,
    Pull,
    RevisionMoved,
    Section,
    after_page,
    faults,
    next_mark,
)

NUMBERS = count()


def page(items: int, *, more: bool = False, **said) -> Page:
    # No two pages are alike.
    found = tuple({"sourcedId": str(next(NUMBERS))} for _ in range(items))
    return Page(items=found, next_cursor="next" if more else None, **said)


def read(*pages: Page) -> Section:
    section = Section(cursor=None)
    for one in pages:
        section = after_page(section, one, size=0)
    return section


def test_a_section_read_to_its_end_is_whole() -> None:
    assert read(page(2, more=True, total=3, revision="a"), page(1, total=3, revision="a")).whole
    assert read(page(2, more=True), page(1)).whole


def test_an_empty_success_is_not_whole() -> None:
    assert not read(page(0, total=0)).whole


@pytest.mark.parametrize("total", [2, 4])
def test_a_count_that_disagrees_is_not_whole(total: int) -> None:
    section = read(page(3, total=total))

    assert not section.whole
    assert section.fault == "count_disagrees"


def test_a_page_that_cannot_be_all_it_should_be_is_not_whole() -> None:
    section = read(page(2, more=True, fault="count_disagrees"), page(1))

    assert section.fault == "count_disagrees"


def test_a_total_that_moves_is_not_whole() -> None:
    section = read(page(2, more=True, total=4), page(1, total=3))

    assert section.fault == "total_moved"


def test_a_revision_that_moves_stops_the_reading() -> None:
    with pytest.raises(RevisionMoved):
        read(page(1, more=True, revision="a"), page(1, revision="b"))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(-1, 1))
def test_a_section_with_a_total_is_whole_exactly_when_as_many_came(
    sizes: list[int], off: int
) -> None:
    total = sum(sizes) + off
    pages = [page(n, more=i + 1 < len(sizes), total=total) for i, n in enumerate(sizes)]

    assert read(*pages).whole is (off == 0)


def test_a_page_that_says_what_the_one_before_said_ends_the_section() -> None:
    once = page(2, more=True)

    section = read(once, once)

    assert (section.done, section.items, section.fault) == (True, 2, "repeated_page")


def test_a_section_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulls, "MAX_PAGES", 3)

    section = read(*(page(1, more=True) for _ in range(3)))

    assert (section.done, section.fault) == (True, "too_many_pages")


def delta(**sections: Section) -> Pull:
    return Pull(
        pull_id="p", correlation_id="c", place=Place(district_id="d1", source_id="s"),
        mode="delta", state="running", asked_at=datetime(2026, 9, 1, tzinfo=UTC),
        since="before", mark="now", sections=sections,
    )  # fmt: skip


def test_a_delta_that_missed_something_moves_no_mark_and_says_so() -> None:
    lost = read(page(2, more=True, total=500), page(0, total=500))

    assert faults(delta(users=lost)) == {"users": "count_disagrees"}
    assert next_mark(delta(users=lost)) == "before"


def test_a_full_pull_that_missed_something_moves_no_mark_if_there_is_one() -> None:
    lost = read(page(2, more=True, total=500), page(0, total=500))
    full = replace(delta(users=lost), mode="full")

    assert full.asks_since is None
    assert next_mark(full) == "before"
    assert next_mark(replace(full, since=None)) == "now"
    assert next_mark(replace(full, sections={"demographics": read(page(0))})) == "now"


def test_a_delta_in_which_nothing_changed_moves_the_mark() -> None:
    nothing = read(page(0))

    assert faults(delta(users=nothing)) == {}
    assert next_mark(delta(users=nothing)) == "now"


def test_a_revision_that_moves_at_the_last_try_leaves_a_section_that_is_not_whole() -> None:
    first = after_page(Section(cursor=None), page(1, more=True, revision="a"), size=0)

    last = after_page(first, page(1, revision="b"), size=0, again=False)

    assert (last.done, last.items, last.fault) == (True, 2, "revision_moved")
    assert not last.whole


def test_a_page_of_a_repeating_section_may_say_what_the_one_before_said() -> None:
    said = page(2, more=True)
    section = after_page(Section(cursor=None), said, size=0, repeating=True)

    section = after_page(section, said, size=0, repeating=True)

    assert (section.items, section.fault) == (4, None)
