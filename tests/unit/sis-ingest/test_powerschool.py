"""PowerSchool's words: notifications of every shape, records to OneRoster, what the plugin asks."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster_common.errors import Invalid
from sis_ingest.domain.deliveries import Hint
from sis_ingest.ports.pulls import Piece
from sis_ingest.sources.powerschool import normalise
from sis_ingest.sources.powerschool.normalise import PowerSchoolWording, gone
from sis_ingest.sources.powerschool.wire import hints_of, key_of, parse

ROOM = Path(normalise.__file__).parent


def hints(body: bytes) -> list[Hint]:
    return list(hints_of(parse(body)))


@pytest.mark.parametrize(
    "body",
    [
        b'{"key": "k", "event_type": "UPDATE", "entity": "student", "id": 5}',
        b'{"key": "k", "event_type": "UPDATE", "ref": "https://x/ws/v1/student/5"}',
        b'{"event_notifications": {"key": "k", "event_notification":'
        b' [{"event_type": "UPDATE", "student": {"id": "5", "ref": "https://x/ws/v1/student/5"}}]}}',
        b'{"Key": "k", "Event_Type": "UPDATE", "Entity": "Student", "Id": 5}',
        b'<n key="k"><e><event_type>UPDATE</event_type><entity>student</entity><id>5</id></e></n>',
        b'<n xmlns="urn:x"><key>k</key><e><event_type>U</event_type>'
        b"<ref>https://x/ws/v1/student/5/</ref></e></n>",
        b'<n key="k"><e><event_type>U</event_type><entity>student</entity>'
        b'<id type="int">5</id></e></n>',
    ],
)
def test_a_notification_of_any_shape_names_its_record_and_its_key(body: bytes) -> None:
    assert hints(body) == [Hint(section="students", item_id="5")]
    assert key_of(parse(body)) == "k"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_body_does_more_than_be_refused(body: bytes) -> None:
    with suppress(Invalid):
        assert all(hint.item_id.isdigit() for hint in hints(body))


def test_a_body_made_to_explode_is_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    deep = b"[" * 5_000 + b"]" * 5_000

    for body in (bomb, b"<a>" * 500 + b"</a>" * 500):
        with pytest.raises(Invalid):
            parse(body)
    with pytest.raises(Invalid):
        parse(deep)


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode("utf-16"),
        '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode("utf-16-le"),
        '<?xml version="1.0" encoding="gb2312"?><x>\u4e2d</x>'.encode("gb2312"),
        b"<x>\0</x>",
        b"<x>" + b"<a/>" * 80_000 + b"</x>",
    ],
    ids=["utf-16", "utf-16-le", "gb2312", "nul", "80,000 elements"],
)
def test_a_body_that_hides_or_swells_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        parse(body)


@pytest.mark.parametrize("quote", [b'"', b""])
def test_a_number_of_5000_digits_is_refused(quote: bytes) -> None:
    number = quote + b"7" * 5_000 + quote

    with pytest.raises(Invalid):
        hints(b'{"event_type": "U", "entity": "student", "id": ' + number + b"}")


def test_many_elements_are_refused_by_their_number() -> None:
    with pytest.raises(Invalid) as refused:
        parse(b"<x>" + b"<a/>" * 10_000 + b"</x>")

    assert refused.value.reason == "too_many_elements"


def test_many_siblings_are_read_in_a_moment() -> None:
    element = b"<e><event_type>U</event_type><entity>student</entity><id>5</id></e>"

    assert len(hints(b"<x>" + element * 1_000 + b"</x>")) == 1_000


def student(**more: Any) -> dict[str, Any]:
    return {
        "id": 17,
        "local_id": 200017,
        "state_province_id": "9000 ",
        "name": {"first_name": "Ada", "last_name": "Made-up"},
        "school_enrollment": {"enroll_status": "A", "grade_level": "0", "entry_date": "2026-08-15"},
        "$school": 3,
        **more,
    }


def read(entity: Any, section: str, item: dict[str, Any]) -> Any:
    wording = PowerSchoolWording()
    (piece,) = wording.pieces(entity, section, item)
    return piece, wording.read(entity, section, piece)


def test_a_student_is_a_user_with_number_state_id_and_school() -> None:
    piece, fact = read("user", "students", student())

    assert piece.external_id == "student-17"
    assert not fact.deleted
    assert fact.record["identifier"] == "200017"
    assert fact.record["userMasterIdentifier"] == "9000"
    assert fact.record["grades"] == ["KG"]
    assert [role["org"]["sourcedId"] for role in fact.record["roles"]] == ["school-3"]


@pytest.mark.parametrize("status", ["T", "P", "G"])
def test_who_is_not_enrolled_is_gone(status: str) -> None:
    enrolled = {"enroll_status": status, "grade_level": "5"}

    assert read("user", "students", student(school_enrollment=enrolled))[1].deleted


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "x"}, "id"),
        ({"id": True}, "id"),
        ({"$school": None}, "school_enrollment.school_number"),
        ({"name": "Ada"}, "name"),
        (
            {"school_enrollment": {"enroll_status": "A", "grade_level": "ten"}},
            "school_enrollment.grade_level",
        ),
        ({"school_enrollment": None}, "school_enrollment.enroll_status"),
        ({"school_enrollment": {"grade_level": "5"}}, "school_enrollment.enroll_status"),
    ],
)
def test_a_record_that_cannot_be_read_names_the_field_and_no_value(
    change: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        read("user", "students", student(**change))

    assert refused.value.field == field


def staff(**more: Any) -> dict[str, Any]:
    posts = [{"school_id": 3, "type": 1, "status": 1}, {"school_id": 4, "type": 2, "status": 1}]
    return {
        "id": 8,
        "users_dcid": 5,
        "name": {"first_name": "Bo", "last_name": "Made-up"},
        "school_affiliations": {"school_affiliation": posts},
        **more,
    }


def test_a_person_with_two_posts_is_one_user_told_by_the_first_school() -> None:
    _, fact = read("user", "staff", staff(**{"$school": 3}))

    assert [(r["role"], r["org"]["sourcedId"]) for r in fact.record["roles"]] == [
        ("teacher", "school-3"),
        ("ext:staff", "school-4"),
    ]
    assert not list(PowerSchoolWording().pieces("user", "staff", staff(**{"$school": 4})))


@pytest.mark.parametrize(("here", "told"), [(3, 0), (4, 1), (9, 1), (None, 1)])
def test_a_post_that_has_ended_does_not_speak_for_the_person(here: int | None, told: int) -> None:
    """No school lists an ended post: were it the one to speak, nobody would."""
    posts = [{"school_id": 3, "type": 1, "status": 2}, {"school_id": 4, "type": 1, "status": 1}]
    moved = staff(school_affiliations={"school_affiliation": posts}, **{"$school": here})

    assert len(list(PowerSchoolWording().pieces("user", "staff", moved))) == told


def test_who_left_for_a_school_that_is_not_listed_is_gone_all_the_same() -> None:
    graduated = student(school_enrollment={"enroll_status": "G"}, **{"$school": None})

    _, fact = read("user", "students", graduated)

    assert (fact.record, fact.deleted) == (None, True)


def test_a_list_of_one_comes_as_its_element() -> None:
    alone = {"school_affiliation": {"school_id": 3, "type": 1}}

    assert len(read("user", "staff", staff(school_affiliations=alone))[1].record["roles"]) == 1


@pytest.mark.parametrize(
    ("section", "entity", "external_id"),
    [
        ("students", "user", "student-9"),
        ("students", "demographics", "student-9"),
        ("sections", "class", "section-9"),
        ("sections", "enrollment", "lead-9"),
        ("section_enrollments", "enrollment", "enrollment-9"),
    ],
)
def test_a_record_that_is_gone_ends_all_it_was(section: str, entity: Any, external_id: str) -> None:
    piece, fact = read(entity, section, dict(gone(section, "9")))

    assert (piece.external_id, fact.deleted, fact.record) == (external_id, True, None)


def test_a_post_that_is_gone_says_nothing_of_its_person() -> None:
    assert not list(PowerSchoolWording().pieces("user", "staff", gone("staff", "9")))


def test_equal_records_are_read_the_same_whatever_their_order() -> None:
    item = student()
    other = orjson.loads(orjson.dumps(item, option=orjson.OPT_SORT_KEYS))
    wording = PowerSchoolWording()

    assert wording.read("user", "students", Piece(external_id="student-17", content=item)) == (
        wording.read("user", "students", Piece(external_id="student-17", content=other))
    )


# What each field of the plugin is in the words of the interface; nothing else may be asked for.
ASKED = {
    "local_id": {"STUDENT_NUMBER", "TEACHERNUMBER"},
    "state_province_id": {"STATE_STUDENTNUMBER"},
    "student_username": {"STUDENT_WEB_ID"},
    "teacher_username": {"TEACHERLOGINID"},
    "admin_username": {"LOGINID"},
    "work_email": {"EMAIL_ADDR"},
    "email": {"EMAIL"},
    "first_name": {"FIRST_NAME"},
    "middle_name": {"MIDDLE_NAME"},
    "last_name": {"LAST_NAME"},
    "gender": {"GENDER"},
    "birth_date": {"DOB"},
    "enroll_status": {"ENROLL_STATUS"},
    "grade_level": {"GRADE_LEVEL"},
    "entry_date": {"ENTRYDATE", "DATEENROLLED"},
    "exit_date": {"EXITDATE", "DATELEFT"},
    "users_dcid": {"USERS_DCID"},
    "school_affiliations": {"SCHOOLID", "STATUS", "STAFFSTATUS"},
    "course_name": {"COURSE_NAME"},
    "course_number": {"COURSE_NUMBER"},
    "section_number": {"SECTION_NUMBER"},
    "expression": {"EXPRESSION"},
    "term_id": {"TERMID"},
    "section_id": {"SECTIONID"},
    "student_id": {"STUDENTID"},
    "start_year": {"YEARID"},
    "portion": {"PORTION"},
    "start_date": {"FIRSTDAY"},
    "end_date": {"LASTDAY"},
    "abbreviation": {"ABBREVIATION"},
    "name": {"NAME"},
    "school_number": {"SCHOOL_NUMBER"},
    "id": {"DCID"},
    "$teacher": {"TEACHER"},
}


def test_the_plugin_asks_for_exactly_what_is_read() -> None:
    wanted = set().union(*ASKED.values())
    asked = set(re.findall(r'field="([A-Z_]+)"', (ROOM / "plugin" / "plugin.xml").read_text()))
    code = "".join(
        (ROOM / name).read_text() for name in ("normalise.py", "fields.py", "lookups.py")
    )

    assert asked == wanted
    assert all(f'"{name}"' in code for name in ASKED), "what is asked for is read"
    assert 'access="FullAccess"' not in (ROOM / "plugin" / "plugin.xml").read_text()
