"""Whom a new outside id means: the state's id, then the local number, else nobody for certain."""

import pytest

from sis_ingest.domain.matching import Holder, Match, MatchKeys, find_matches, match_keys
from tests.support.ingesting import user

NEW = ("user", "new")


def keys(state: str | None = None, local: str | None = None, kind: str = "student") -> MatchKeys:
    return MatchKeys(state_id=state, local_id=local, kind=kind)  # type: ignore[arg-type]


def holder(entity_id: str, *args: str | None, **more: str) -> Holder:
    return Holder(entity_id=entity_id, keys=keys(*args, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stranger", "holders", "expected"),
    [
        (keys("S1", "1"), [holder("p", "S1", "2")], Match(entity_id="p", rule="same_state_id")),
        (keys(None, "1"), [holder("p", "S1", "1")], Match(entity_id="p", rule="same_local_id")),
        (keys("S1", "1"), [holder("p", None, "1")], Match(entity_id="p", rule="same_local_id")),
        (keys("S2", "1"), [holder("p", "S1", "1")], None),
        (keys("S1"), [holder("p", "S1", kind="staff")], None),
        (keys("S1", "1"), [holder("p", "S1"), holder("q", None, "1")],
         Match(entity_id="p", rule="same_state_id")),
        (keys("S1"), [holder("p", None, "S1")], None),
    ],
    ids=["state", "local", "one_has_no_state_id", "state_ids_contradict", "other_kind",
         "state_before_local", "keys_of_different_kinds"],
)  # fmt: skip
def test_the_rules_in_their_order(stranger, holders, expected) -> None:
    matched = find_matches({NEW: stranger}, holders, frozenset())

    assert matched.matches.get(NEW) == expected
    assert matched.conflicts == ()


def test_what_is_not_certain_is_a_conflict_and_no_match() -> None:
    two = [holder("p", "S1"), holder("q", "S1")]
    assert find_matches({NEW: keys("S1")}, two, frozenset()).conflicts == (NEW,)

    busy = find_matches({NEW: keys("S1")}, [holder("p", "S1")], frozenset({"p"}))
    assert (busy.matches, busy.conflicts) == ({}, (NEW,))

    other = ("user", "other")
    both = find_matches({NEW: keys("S1"), other: keys("S1")}, [holder("p", "S1")], frozenset())
    assert (both.matches, both.conflicts) == ({}, (NEW, other))


def test_keys_are_trimmed_and_what_cannot_be_a_number_is_none() -> None:
    record = {**user("u1"), "userMasterIdentifier": " S1 ", "identifier": "x" * 256}

    assert match_keys(record) == keys("S1", None)
    assert not match_keys({**user("u1"), "identifier": "  "})


def test_the_kind_is_that_of_the_primary_role() -> None:
    def roles(*names: str):
        kinds = [("secondary", n) for n in names[:-1]] + [("primary", names[-1])]
        return {"roles": [{"roleType": t, "role": n} for t, n in kinds]}

    assert match_keys(roles("parent", "teacher")).kind == "staff"
    assert match_keys(roles("relative")).kind == "guardian"
    assert match_keys(roles("student")).kind == "student"
