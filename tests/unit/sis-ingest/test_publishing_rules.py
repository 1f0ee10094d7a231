"""What is said of resolved records, which events tell of it, and who of several speaks."""

from dataclasses import replace
from datetime import timedelta

from sis_ingest.domain.authority import Authority, speaker
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.events import RecordToBeDeleted, RecordUpserted
from sis_ingest.domain.publish import Said, Voice, publish
from tests.support.ingesting import CAUSE, NOW, user


def said(record, **more) -> Said:
    return Said(entity="user", entity_id="our-1", record=record, cause=CAUSE, **more)


def publish_one(what, before=None):
    held = {} if before is None else {(before.entity, before.entity_id): before}
    return publish("d1", [what], held)


def voice(external_id: str, *, days: int, gone: bool = False, source: str = "sis") -> Voice:
    return Voice(
        entity="user",
        entity_id="our-1",
        place=Place(district_id="d1", source_id=source),
        external_id=external_id,
        since=NOW + timedelta(days=days),
        record=user(external_id),
        deleted=gone,
    )


def test_a_new_record_is_published_with_all_its_fields_changed() -> None:
    published = publish_one(said(user("our-1")))

    (event,) = published.events
    assert isinstance(event, RecordUpserted)
    assert event.record["sourcedId"] == "our-1"
    assert event.changed == ("enabledUser", "familyName", "givenName", "roles")
    assert event.before_hash is None


def test_a_changed_record_names_what_changed_and_the_state_before() -> None:
    (before,) = publish_one(said(user("our-1"))).records

    (event,) = publish_one(said(user("our-1", given="Bea")), before).events

    assert event.changed == ("givenName",)
    assert event.before_hash == before.content_hash


def test_a_record_that_says_what_is_published_already_is_silent() -> None:
    (before,) = publish_one(said(user("our-1"))).records

    assert publish_one(said(user("our-1")), before).events == ()


def test_a_deletion_keeps_the_last_record_and_is_told_once() -> None:
    (before,) = publish_one(said(user("our-1"))).records

    published = publish_one(said(None), before)

    (gone,) = published.records
    (event,) = published.events
    assert (gone.deleted, gone.record) == (True, before.record)
    assert isinstance(event, RecordToBeDeleted)
    assert (event.entity_id, event.reason) == ("our-1", "source_deleted")
    assert publish_one(said(None), gone).events == ()


def test_a_merged_record_is_gone_for_that_reason() -> None:
    (before,) = publish_one(said(user("our-1"))).records

    (event,) = publish_one(said(None, gone="merged", merged_into="our-2"), before).events

    assert isinstance(event, RecordToBeDeleted)
    assert (event.reason, event.merged_into) == ("merged", "our-2")


def test_a_merge_of_what_had_gone_before_is_told_and_stored_nowhere() -> None:
    (before,) = publish_one(said(user("our-1"))).records
    (gone,) = publish_one(said(None), before).records

    published = publish_one(said(None, gone="merged", merged_into="our-2"), gone)

    (event,) = published.events
    assert isinstance(event, RecordToBeDeleted)
    assert event.merged_into == "our-2"
    assert published.records == ()


def test_a_deletion_of_what_was_never_published_is_silent() -> None:
    assert publish_one(said(None)).events == ()


def test_a_record_that_comes_back_is_told_even_if_it_says_the_same() -> None:
    (before,) = publish_one(said(user("our-1"))).records
    (gone,) = publish_one(said(None), before).records

    (event,) = publish_one(said(user("our-1")), gone).events

    assert isinstance(event, RecordUpserted)
    assert event.changed == ("enabledUser", "familyName", "givenName", "roles")


def test_who_has_meant_the_person_for_longest_speaks_while_alive() -> None:
    first, second = voice("a", days=1), voice("b", days=2, source="other")

    assert speaker([second, first], Authority()) == first
    assert speaker([replace(first, deleted=True), second], Authority()) == second
    assert (
        speaker([replace(first, deleted=True), replace(second, deleted=True)], Authority()) is None
    )
    assert speaker([], Authority()) is None
