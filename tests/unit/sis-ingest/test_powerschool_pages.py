"""PowerSchool's pages as the client reads them: the same place read again says the same."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from sis_ingest.ports.pulls import Access, Answer, SinceRefused, SourceAway, SourceRefused
from sis_ingest.sources.powerschool.client import PowerSchoolClient

ACCESS = Access(base_url="https://ps.example", client_id="c", page_size=40)
NOW = datetime(2026, 11, 30, tzinfo=UTC)


class Told:
    """A source that answers by path, always alike; 404 for anything else."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        del method, query, headers, body
        self.asked.append(path)
        found = self._answers.get(path.removeprefix("/ws/v1/"))
        status = found if isinstance(found, int) else 404 if found is None else 200
        if status >= 500:
            raise SourceAway(f"status_{status}")
        return Answer(status=status, headers={}, body=orjson.dumps(found))


def district(**more: Any) -> dict[str, Any]:
    """One school with one section and one seat in it; `more` by path."""
    return {
        "metadata": {"metadata": {"district_timezone": "UTC"}},
        "district/school": {"schools": {"school": {"id": 3}}},
        "district/school/count": {"resource": {"count": 1}},
        "school/3/course": {"courses": {"course": [{"id": 1}, {"id": 2}]}},
        "school/3/course/count": {"resource": {"count": 2}},
        "school/3/section": {"sections": {"section": {"id": 7}}},
        "school/3/section/count": {"resource": {"count": 1}},
        "section/7/section_enrollment": {"section_enrollments": {"section_enrollment": {"id": 9}}},
        "section/7/section_enrollment/count": {"resource": {"count": 1}},
        **more,
    }


async def test_courses_read_again_after_a_page_was_lost_are_there_again() -> None:
    client = PowerSchoolClient(ACCESS, Told(district()))

    first = await client.page("courses", None, None)
    again = await client.page("courses", None, None)

    assert len(first.items) == 2
    assert again == first


async def test_seats_that_agree_with_the_counts_have_no_fault() -> None:
    page = await PowerSchoolClient(ACCESS, Told(district())).page("section_enrollments", None, None)

    assert [seat["id"] for seat in page.items] == [9]
    assert page.fault is None


async def test_a_school_whose_sections_do_not_show_leaves_the_seats_not_whole() -> None:
    short = district(**{"school/3/section": {"sections": {}}})

    page = await PowerSchoolClient(ACCESS, Told(short)).page("section_enrollments", None, None)

    assert page.fault == "count_disagrees"


async def test_a_section_whose_seats_do_not_show_leaves_the_seats_not_whole() -> None:
    short = district(**{"section/7/section_enrollment": {"section_enrollments": {}}})

    page = await PowerSchoolClient(ACCESS, Told(short)).page("section_enrollments", None, None)

    assert page.fault == "count_disagrees"


@pytest.mark.parametrize("body", [{}, {"$dataversion": None}, {"$dataversion": "soon"}])
async def test_an_answer_without_a_version_is_no_mark(body: dict[str, Any]) -> None:
    client = PowerSchoolClient(ACCESS, Told(district(**{"/ws/dataversion/homeroom/7": body})))

    with pytest.raises(SourceAway):
        await client.begin("7", NOW)


async def test_a_version_that_the_source_does_not_know_is_told_apart() -> None:
    with pytest.raises(SinceRefused):
        await PowerSchoolClient(ACCESS, Told(district())).begin("7", NOW)


def changed(*numbers: int) -> dict[str, Any]:
    courses = {f"course/{number}": {"course": {"id": number}} for number in numbers}
    version = {"$dataversion": 8, "tables": {"COURSES": [{"id": n} for n in numbers]}}
    return {"/ws/dataversion/homeroom/7": version, **district(**courses)}


async def test_a_delta_goes_on_after_a_restart_where_it_was() -> None:
    told = Told(changed(*range(1, 121)))
    client = PowerSchoolClient(ACCESS, told)
    begun = await client.begin("7", NOW)
    first = await client.page("courses", begun.sections["courses"], "7")

    restarted = PowerSchoolClient(ACCESS, told)
    second = await restarted.page("courses", first.next_cursor, "7")
    third = await restarted.page("courses", second.next_cursor, "7")

    read = [item["id"] for page in (first, second, third) for item in page.items]
    assert read == list(range(1, 121))
    assert third.next_cursor is None
    assert first.next_cursor == "50"


async def test_a_delta_whose_changes_do_not_show_any_more_is_not_at_its_end() -> None:
    client = PowerSchoolClient(ACCESS, Told(changed(1)))

    with pytest.raises(SourceAway):
        await client.page("courses", "50", "7")


async def test_a_record_that_is_refused_is_left_out_of_a_delta_and_said_aloud() -> None:
    told = Told({**changed(1, 2, 3), "course/2": 400})
    client = PowerSchoolClient(ACCESS, told)
    await client.begin("7", NOW)

    page = await client.page("courses", None, "7")

    assert [item["id"] for item in page.items] == [1, 3]
    assert page.fault == "unreadable_record"


async def test_a_record_that_fails_again_and_again_is_left_out_of_a_delta() -> None:
    client = PowerSchoolClient(ACCESS, Told({**changed(1, 2, 3), "course/2": 500}))
    await client.begin("7", NOW)
    for _ in range(4):
        with pytest.raises(SourceAway):
            await client.page("courses", None, "7")

    page = await client.page("courses", None, "7")

    assert [item["id"] for item in page.items] == [1, 3]
    assert page.fault == "unreadable_record"


async def test_a_source_that_is_away_loses_no_record() -> None:
    gone_dark = {**changed(1), "course/1": 500, "metadata": 500}
    client = PowerSchoolClient(ACCESS, Told(gone_dark))

    for _ in range(10):
        with pytest.raises(SourceAway):
            await client.one("courses", "1")


async def test_access_refused_in_a_delta_is_no_fault_of_a_record() -> None:
    class Shut(Told):
        async def send(self, method: str, path: str, **more: Any) -> Answer:
            if "/course/" in path:
                raise SourceRefused("forbidden")
            return await super().send(method, path, **more)

    client = PowerSchoolClient(ACCESS, Shut(changed(1)))
    await client.begin("7", NOW)

    with pytest.raises(SourceRefused):
        await client.page("courses", None, "7")


async def test_a_record_is_gone_only_while_the_interface_answers() -> None:
    there = Told(district())
    starting = Told({})

    assert await PowerSchoolClient(ACCESS, there).one("courses", "9") is None
    with pytest.raises(SourceAway):
        await PowerSchoolClient(ACCESS, starting).one("courses", "9")


async def test_courses_are_counted_like_everything_else() -> None:
    short = district(**{"school/3/course": {"courses": {"course": {"id": 1}}}})

    page = await PowerSchoolClient(ACCESS, Told(short)).page("courses", None, None)

    assert (len(page.items), page.total) == (1, 2)


@pytest.mark.parametrize("section", ["schools", "courses", "section_enrollments"])
async def test_a_school_that_does_not_show_leaves_nothing_whole(section: str) -> None:
    two = district(**{"district/school/count": {"resource": {"count": 2}}})

    page = await PowerSchoolClient(ACCESS, Told(two)).page(section, None, None)

    assert page.fault == "count_disagrees"


async def test_a_source_that_heeds_no_page_number_is_not_read_for_ever() -> None:
    small = {"metadata": {"course_max_page_size": 2, "school_max_page_size": 1}}
    told = Told(district(metadata=small))
    client = PowerSchoolClient(ACCESS, told)

    with pytest.raises(SourceAway, match="repeated_page"):
        await client.page("schools", None, None)

    deaf = district(metadata={"metadata": {"course_max_page_size": 2}})
    client = PowerSchoolClient(ACCESS, Told(deaf))
    cursor, pages = None, []
    while not pages or cursor is not None:
        assert len(pages) < 10
        pages.append(await client.page("courses", cursor, None))
        cursor = pages[-1].next_cursor
    assert sum(len(page.items) for page in pages) > pages[-1].total, "not whole"


async def test_a_section_without_teacher_or_course_is_read_as_it_is() -> None:
    told = Told(district())

    page = await PowerSchoolClient(ACCESS, told).page("sections", None, None)

    assert [(one["$teacher"], one["$course_name"]) for one in page.items] == [(None, None)]
    assert not [path for path in told.asked if "None" in path]


async def test_a_record_of_a_shape_nobody_foresaw_is_one_that_cannot_be_read() -> None:
    odd = {"student/5": {"student": {"id": 5, "school_enrollment": ["A"]}}}

    with pytest.raises(SourceRefused, match="unreadable_record"):
        await PowerSchoolClient(ACCESS, Told(district(**odd))).one("students", "5")
