"""What a batch of changes does to the published roster, on a real PostgreSQL."""

from datetime import timedelta

from tests.support.oneroster_records import (
    class_,
    course,
    enrollment,
    org,
    role,
    school_world,
    session,
    user,
)
from tests.support.publishing import Publishing

_STATE = """
    SELECT entity, sourced_id, status, shown, revision, stamp, base, names, refs
    FROM roster_publisher.object ORDER BY entity, sourced_id
"""
_REVISION = "SELECT revision, stamp FROM roster_publisher.district_revision"


async def test_a_batch_takes_one_revision_and_one_stamp(publishing: Publishing) -> None:
    applied = await publishing.publish(*school_world(users=3))

    rows = await publishing.rows(_STATE)
    assert applied.revision == 1
    assert applied.published == 7
    assert {row["revision"] for row in rows} == {1}
    assert len({row["stamp"] for row in rows}) == 1


async def test_a_replayed_batch_changes_nothing(publishing: Publishing) -> None:
    facts = [publishing.change(e, r) for e, r in school_world(users=2)]
    await publishing.apply(facts)
    before = await publishing.rows(_STATE)

    again = await publishing.apply(facts)

    assert again.revision is None
    assert again.unchanged == 6
    assert await publishing.rows(_STATE) == before
    assert (await publishing.rows(_REVISION))[0]["revision"] == 1


async def test_a_late_event_does_not_undo_a_newer_one(publishing: Publishing) -> None:
    await publishing.publish(*school_world())
    old = publishing.change("user", user("u1", givenName="Old"))
    publishing.clock.advance(5)
    new = publishing.change("user", user("u1", givenName="New"))
    await publishing.apply([new])

    applied = await publishing.apply([old])

    assert applied.late == 1
    assert applied.revision is None
    row = (await publishing.rows(_STATE))[-1]
    assert '"givenName":"New"' in row["names"]


async def test_the_last_event_of_a_batch_counts(publishing: Publishing) -> None:
    await publishing.publish(*school_world())

    applied = await publishing.publish(
        ("user", user("u1", givenName="First")), ("user", user("u1", givenName="Second"))
    )

    assert applied.published == 1
    row = (await publishing.rows(_STATE))[-1]
    assert '"givenName":"Second"' in row["names"]


async def test_a_deletion_stays_as_a_newly_stamped_tombstone(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    stamp = (await publishing.rows(_REVISION))[0]["stamp"]

    await publishing.publish(("user", "u000"))

    row = (await publishing.rows(_STATE))[-1]
    assert row["status"] == "tobedeleted"
    assert row["stamp"] > stamp
    assert '"status":"tobedeleted"' in row["base"]
    assert '"givenName":"Ada"' in row["names"]


async def test_a_deletion_of_a_record_never_seen_is_counted_only(publishing: Publishing) -> None:
    applied = await publishing.publish(("user", "nobody"))

    assert applied.unknown == 1
    assert applied.revision is None


async def test_a_deleted_record_can_come_back(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.publish(("user", "u000"))

    await publishing.publish(("user", user("u000")))

    row = (await publishing.rows(_STATE))[-1]
    assert row["status"] == "active"
    assert row["revision"] == 3


async def test_stamps_rise_even_when_the_clock_stands_still(publishing: Publishing) -> None:
    stamps = []
    for n in range(3):
        await publishing.apply([publishing.change("org", org("s1", name=f"Name {n}"))])
        stamps.append((await publishing.rows(_REVISION))[0]["stamp"])

    assert stamps[1] - stamps[0] == timedelta(milliseconds=1)
    assert stamps[2] - stamps[1] == timedelta(milliseconds=1)


async def test_an_overwritten_row_is_kept_for_pulls_that_began_before(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world())
    await publishing.publish(("org", org("s1", name="Renamed")))

    history = await publishing.rows(
        "SELECT sourced_id, base, rev_from, rev_to FROM roster_publisher.object_history"
    )
    assert [(row["sourced_id"], row["rev_from"], row["rev_to"]) for row in history] == [
        ("s1", 1, 2)
    ]
    assert "School s1" in history[0]["base"]


async def test_a_record_without_what_it_needs_waits_and_is_counted(
    publishing: Publishing,
) -> None:
    applied = await publishing.publish(("enrollment", enrollment("e1", user="u1")))

    assert (applied.published, applied.waiting) == (0, 1)
    report = await publishing.status.report("d1")
    assert report.dangling == 3
    assert report.objects["enrollment"]["hidden"] == 1
    assert report.revision == 0


async def test_what_waited_is_shown_when_its_target_arrives_through_several_steps(
    publishing: Publishing,
) -> None:
    await publishing.publish(("enrollment", enrollment("e1", user="u1")))
    await publishing.publish(("class", class_("k1")), ("user", user("u1")))
    await publishing.publish(("academicSession", session("t1")), ("course", course("c1")))

    applied = await publishing.publish(("org", org("s1")))

    assert applied.published == 4
    report = await publishing.status.report("d1")
    assert report.dangling == 0
    assert report.objects["enrollment"]["active"] == 1
    assert {row["revision"] for row in await publishing.rows(_STATE)} == {1, 2}


async def test_an_optional_reference_appears_when_its_target_arrives(
    publishing: Publishing,
) -> None:
    await publishing.publish(("org", org("s1", parent={"sourcedId": "d", "type": "org"})))
    assert (await publishing.rows(_STATE))[0]["refs"] == ""

    await publishing.publish(("org", org("d", type="district")))

    school = (await publishing.rows(_STATE))[1]
    assert '"sourcedId":"d"' in school["refs"]
    assert school["revision"] == 2


async def test_an_update_that_needs_something_unseen_leaves_what_was_shown(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.publish(("user", user("u000", role("s9"), givenName="Later")))
    before = (await publishing.rows(_STATE))[-1]

    await publishing.publish(("org", org("s9")))

    after = (await publishing.rows(_STATE))[-1]
    assert '"givenName":"Ada"' in before["names"]
    assert '"givenName":"Later"' in after["names"]
    assert '"sourcedId":"s9"' in after["refs"]


async def test_a_deletion_shows_even_while_an_update_waits(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.publish(("user", user("u000", role("s9"))))

    await publishing.publish(("user", "u000"))

    row = (await publishing.rows(_STATE))[-1]
    assert row["status"] == "tobedeleted"
    assert (await publishing.status.report("d1")).dangling == 0


async def test_scopes_follow_a_school_move(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1), ("org", org("s2")))
    await publishing.publish(("user", user("u000", role("s2"))))

    rows = await publishing.rows(
        "SELECT scope_id, since_rev, until_rev FROM roster_publisher.scope_member"
        " WHERE entity = 'user' ORDER BY scope_id"
    )
    assert [tuple(row.values()) for row in rows] == [("s1", 1, 2), ("s2", 2, None)]


async def test_districts_do_not_meet(publishing: Publishing) -> None:
    await publishing.publish(("org", org("s1")), district="d1")

    applied = await publishing.publish(("user", user("u1")), district="d2")

    assert applied.waiting == 1
    assert (await publishing.status.report("d2")).dangling == 1
