"""Which change counts, and what a batch leaves behind."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sis_ingest.domain.changes import Known, Verdict, judge, settle
from tests.support.ingesting import NOW, change, user

NAMES = ("Ada", "Bea", "Cy")


def known(name: str = "Ada", *, at: int = 0, version: int | None = None, deleted: bool = False):
    return Known(
        content_hash=change(user("u1", given=name)).content_hash,
        deleted=deleted,
        version=version,
        occurred_at=NOW + timedelta(seconds=at),
    )


def verdict(before: Known | None, **what) -> Verdict:
    return judge(before, change(user("u1", given=what.pop("name", "Bea")), **what), as_of=None)


def test_a_record_not_seen_before_is_new() -> None:
    assert verdict(None) == Verdict.NEW


def test_a_later_change_counts_and_an_equal_or_older_one_does_not() -> None:
    assert verdict(known(), at=1) == Verdict.CHANGED
    assert verdict(known(), at=0) == Verdict.STALE
    assert verdict(known(), at=-1) == Verdict.STALE


def test_with_versions_on_both_sides_time_does_not_matter() -> None:
    assert verdict(known(version=3), version=4, at=-60) == Verdict.CHANGED
    assert verdict(known(version=3), version=3, at=60) == Verdict.STALE
    assert verdict(known(version=3), version=2, at=60) == Verdict.STALE


def test_a_version_on_one_side_only_leaves_it_to_time() -> None:
    assert verdict(known(version=9), at=1) == Verdict.CHANGED
    assert verdict(known(), version=1, at=-1) == Verdict.STALE


def test_a_later_change_that_says_the_same_is_unchanged() -> None:
    assert verdict(known("Ada"), name="Ada", at=1) == Verdict.UNCHANGED


def test_a_deleted_record_that_comes_back_the_same_has_changed() -> None:
    assert verdict(known("Ada", deleted=True), name="Ada", at=1) == Verdict.CHANGED


def test_what_happened_before_the_source_stated_the_whole_collection_is_stale() -> None:
    late = change(user("u1", given="Bea"), at=5)

    assert judge(known(), late, as_of=NOW + timedelta(seconds=5)) == Verdict.STALE
    assert judge(known(), late, as_of=NOW + timedelta(seconds=4)) == Verdict.CHANGED


def test_a_record_unknown_at_the_last_statement_is_still_new() -> None:
    assert judge(None, change(user("u1")), as_of=NOW + timedelta(days=1)) == Verdict.NEW


def test_of_several_effective_changes_in_a_batch_the_last_is_written() -> None:
    settled = settle(
        [change(user("u1", given=name), at=at) for at, name in enumerate(NAMES)], {}, {}
    )

    assert settled.verdicts == (Verdict.SUPERSEDED, Verdict.SUPERSEDED, Verdict.CHANGED)
    assert [write.change.record["givenName"] for write in settled.writes] == ["Cy"]


def test_a_newer_repetition_moves_time_on_without_content() -> None:
    settled = settle([change(user("u1"), at=9)], {("user", "u1"): known()}, {})

    (write,) = settled.writes
    assert not write.content
    assert write.known.occurred_at == NOW + timedelta(seconds=9)


def test_a_deletion_without_its_object_keeps_the_hash_it_deleted() -> None:
    settled = settle([change(None, at=1)], {("user", "u1"): known("Ada")}, {})

    assert settled.writes[0].known == known("Ada", at=1, deleted=True)


facts = st.lists(
    st.tuples(st.sampled_from(NAMES), st.booleans()), min_size=1, max_size=6, unique_by=id
)


@given(facts, st.data(), st.booleans())
def test_loss_of_order_and_repetition_leave_the_newest(facts, data, versioned) -> None:
    changes = [
        change(user("u1", given=name), at=at, version=at if versioned else None, deleted=gone)
        for at, (name, gone) in enumerate(facts)
    ]
    arrivals = data.draw(st.permutations(changes + changes[: len(changes) // 2]))
    cut = data.draw(st.integers(0, len(arrivals)))

    state: dict = {}
    for batch in (arrivals[:cut], arrivals[cut:]):
        state |= {write.change.key: write.known for write in settle(batch, state, {}).writes}

    newest = changes[-1]
    (held,) = state.values()
    assert (held.deleted, held.version) == (newest.deleted, newest.version)
    assert held.occurred_at == newest.occurred_at
    assert held.content_hash == newest.content_hash


@given(facts)
def test_the_same_batch_again_writes_nothing(facts) -> None:
    changes = [change(user("u1", given=n), at=at, deleted=d) for at, (n, d) in enumerate(facts)]
    state = {w.change.key: w.known for w in settle(changes, {}, {}).writes}

    again = settle(changes, state, {})

    assert again.writes == ()
    assert set(again.verdicts) == {Verdict.STALE}
