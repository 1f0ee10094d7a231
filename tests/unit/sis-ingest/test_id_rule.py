"""One person, one id, for life: which outside id becomes ours."""

from hypothesis import given
from hypothesis import strategies as st

from sis_ingest.domain.identity import allot, candidate_id

keys = st.tuples(st.sampled_from(["user", "org"]), st.text(min_size=1, max_size=12))


def minted(count: int = 1000):
    numbers = iter(range(count))
    return lambda: f"minted-{next(numbers)}"


def test_a_valid_free_outside_id_becomes_ours() -> None:
    assert allot([("user", "S-1.a-b/c_d")], frozenset(), minted()) == {
        ("user", "S-1.a-b/c_d"): "S-1.a-b/c_d"
    }


def test_blanks_around_an_outside_id_are_not_part_of_ours() -> None:
    assert allot([("user", " 12 ")], frozenset(), minted()) == {("user", " 12 "): "12"}


def test_an_id_with_other_signs_or_too_long_is_minted() -> None:
    for outside in ("a b", "ümlaut", "x" * 256, " ", "a\nb", "{guid}"):
        assert candidate_id(outside) is None
        assert allot([("user", outside)], frozenset(), minted()) == {("user", outside): "minted-0"}


def test_an_outside_id_that_may_be_an_address_is_never_ours() -> None:
    for outside in ("ada.byron@north.example", "@", " a@b ", "7@north"):
        assert candidate_id(outside) is None
        assert allot([("user", outside)], frozenset(), minted()) == {("user", outside): "minted-0"}


def test_an_id_given_out_before_is_never_given_again() -> None:
    assert allot([("user", "7")], frozenset({("user", "7")}), minted()) == {
        ("user", "7"): "minted-0"
    }


def test_the_same_outside_id_may_serve_two_kinds_of_things() -> None:
    given_ids = allot([("user", "7"), ("org", "7")], frozenset(), minted())

    assert given_ids == {("user", "7"): "7", ("org", "7"): "7"}


def test_of_two_ids_that_trim_to_the_same_the_first_wins() -> None:
    assert allot([("user", "7"), ("user", "7 ")], frozenset(), minted()) == {
        ("user", "7"): "7",
        ("user", "7 "): "minted-0",
    }


@given(st.lists(keys), st.frozensets(keys))
def test_no_id_of_ours_means_two_things(wanted, taken) -> None:
    given_ids = allot(wanted, taken, minted())

    ours = [(space, value) for (space, _), value in given_ids.items()]
    assert given_ids.keys() == set(wanted)
    assert len(set(ours)) == len(ours)
    assert not set(ours) & taken
