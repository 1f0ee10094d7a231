"""What writes do to resolved records, and which events tell of it."""

from sis_ingest.domain.changes import Known, Write
from sis_ingest.domain.events import RecordToBeDeleted, RecordUpserted
from sis_ingest.domain.publish import publish
from tests.support.ingesting import NOW, change, user

IDS = {("user", "u1"): "our-1", ("org", "school-1"): "our-school"}


def write(what, *, content: bool = True) -> Write:
    known = Known(content_hash=b"", deleted=what.deleted, version=None, occurred_at=NOW)
    return Write(change=what, known=known, content=content)


def publish_one(what, before=None):
    held = {} if before is None else {(before.entity, before.entity_id): before}
    return publish("d1", [write(what)], IDS, held)


def test_a_new_record_is_published_under_our_ids_with_all_its_fields_changed() -> None:
    published = publish_one(change(user("u1")))

    (event,) = published.events
    assert isinstance(event, RecordUpserted)
    assert event.record["sourcedId"] == "our-1"
    assert event.record["roles"][0]["org"]["sourcedId"] == "our-school"
    assert event.changed == ("enabledUser", "familyName", "givenName", "roles")
    assert event.before_hash is None


def test_a_changed_record_names_what_changed_and_the_state_before() -> None:
    (before,) = publish_one(change(user("u1"))).records

    (event,) = publish_one(change(user("u1", given="Bea")), before).events

    assert event.changed == ("givenName",)
    assert event.before_hash == before.content_hash


def test_a_record_that_says_what_is_published_already_is_silent() -> None:
    (before,) = publish_one(change(user("u1"))).records

    assert publish_one(change(user("u1")), before).events == ()


def test_a_deletion_keeps_the_last_record_and_is_told_once() -> None:
    (before,) = publish_one(change(user("u1"))).records

    published = publish_one(change(None), before)

    (gone,) = published.records
    (event,) = published.events
    assert (gone.deleted, gone.record) == (True, before.record)
    assert isinstance(event, RecordToBeDeleted)
    assert event.entity_id == "our-1"
    assert publish_one(change(None), gone).events == ()


def test_a_deletion_of_what_was_never_published_is_silent() -> None:
    assert publish_one(change(None)).events == ()
    assert publish("d1", [write(change(None, external_id="stranger"))], IDS, {}).events == ()


def test_a_record_that_comes_back_is_told_even_if_it_says_the_same() -> None:
    (before,) = publish_one(change(user("u1"))).records
    (gone,) = publish_one(change(None), before).records

    (event,) = publish_one(change(user("u1")), gone).events

    assert isinstance(event, RecordUpserted)
    assert event.changed == ("enabledUser", "familyName", "givenName", "roles")


def test_a_write_that_only_moves_time_on_is_silent() -> None:
    assert publish("d1", [write(change(user("u1")), content=False)], IDS, {}).events == ()
