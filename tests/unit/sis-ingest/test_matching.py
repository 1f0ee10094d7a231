"""Which record a new outside id means: rule by rule, and nobody where it is not certain."""

from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from sis_ingest.domain.match_keys import MatchKeys, fold, match_keys
from sis_ingest.domain.matching import (
    Holder,
    Match,
    MatchRule,
    alike_strangers,
    find_matches,
)
from sis_ingest.domain.suggestions import from_conflicts
from tests.support.ingesting import user

NEW = ("user", "new")


def keys(state: str | None = None, local: str | None = None, **more: Any) -> MatchKeys:
    return MatchKeys(**{"state_id": state, "local_id": local, "kind": "student", **more})


def holder(entity_id: str, *args: str | None, outside: tuple[str, ...] = (), **more: Any) -> Holder:
    return Holder(entity_id=entity_id, keys=keys(*args, **more), outside=frozenset(outside))


def heard(
    entity_id: str,
    *args: str | None,
    gone: bool = False,
    at_home: bool = False,
    hearsay: bool = False,
    **more: Any,
) -> Holder:
    known = holder(entity_id, *args, **more)
    return replace(known, gone=gone, at_home=at_home, hearsay=hearsay)


def match(rule: MatchRule) -> Match:
    return Match(entity_id="p", rule=rule)


STAFF = {"kind": "staff", "email": "a@n.example"}
MAIL = keys(**STAFF)


@pytest.mark.parametrize(
    ("stranger", "holders", "expected"),
    [
        (keys("S1", "1"), [holder("p", "S1", "2")], match("same_state_id")),
        (keys(None, "1"), [holder("p", "S1", "1")], match("same_local_id")),
        (keys("S1", "1"), [holder("p", None, "1")], match("same_local_id")),
        (keys("S1"), [holder("p", "S1", kind="staff")], None),
        (keys("S1", "1"), [holder("p", "S1"), holder("q", None, "1")], match("same_state_id")),
        (keys(None, "1", legacy_ids=("o",)), [holder("p", None, "1"), holder("q", outside=("o",))],
         match("same_local_id")),
        (keys("S1"), [holder("p", None, "S1")], None),
        (keys(legacy_ids=("o",)), [holder("p", outside=("o",), kind="staff")],
         match("same_legacy_id")),
        (keys(legacy_ids=("o",)), [holder("p", outside=("x",))], None),
        (MAIL, [holder("p", **STAFF)], match("same_email")),
        (MAIL, [holder("p", **{**STAFF, "kind": "student"})], None),
        (keys(name="lee ann", **STAFF), [holder("p", name="ray ann", **STAFF)],
         match("same_email")),
        (keys("S1", given="ben"), [holder("p", "S1", given="ada")], match("same_state_id")),
    ],
    ids=["state", "local", "one_has_no_state_id", "other_kind", "state_before_local",
         "local_before_legacy", "keys_of_different_kinds", "legacy_of_any_kind", "other_legacy",
         "email", "email_of_another_kind", "married", "another_first_name"],
)  # fmt: skip
def test_the_rules_in_their_order(stranger, holders, expected) -> None:
    matched = find_matches({NEW: stranger}, holders, {})

    assert matched.matches.get(NEW) == expected
    assert matched.conflicts == {}


@pytest.mark.parametrize(
    ("stranger", "holders", "near"),
    [
        (keys("S1"), [holder("p", "S1"), holder("q", "S1")],
         {"p": "same_state_id", "q": "same_state_id"}),
        (keys("S2", "1"), [holder("p", "S1", "1")], {"p": "same_local_id"}),
        (keys("S2", legacy_ids=("o",)), [holder("p", "S1", outside=("o",))],
         {"p": "same_legacy_id"}),
        (keys(legacy_ids=("s1", "t1")), [holder("p", outside=("s1",)), holder("q", outside=("t1",))],
         {"p": "same_legacy_id", "q": "same_legacy_id"}),
        (MAIL, [holder("p", **STAFF), holder("q", **STAFF)], {"p": "same_email", "q": "same_email"}),
        (keys(None, "1", **STAFF), [holder("p", None, "2", **STAFF)], {"p": "same_email"}),
        (keys(None, "1", **STAFF), [holder("p", None, "2", **STAFF), holder("q", **STAFF)],
         {"p": "same_email", "q": "same_email"}),
        (keys(name="lee ann", **STAFF), [holder("p", name="ray bob", **STAFF)],
         {"p": "same_email"}),
        (keys(name="lee ann", **STAFF), [heard("p", gone=True, name="lee bob", **STAFF)],
         {"p": "same_email"}),
        (keys(None, "1", name="lee ann"), [heard("p", None, "1", at_home=True, name="ray bob")],
         {"p": "same_local_id"}),
        (keys("S1", given="ben"), [heard("p", "S1", hearsay=True, given="ada")],
         {"p": "same_state_id"}),
    ],
    ids=["several", "state_ids_contradict", "legacy_contradicts", "legacy_of_two", "shared_mailbox",
         "numbers_contradict", "shared_although_one_contradicts", "address_of_an_office",
         "address_given_out_again", "number_given_out_again", "number_that_a_family_typed"],
)  # fmt: skip
def test_what_is_not_certain_is_a_conflict_and_no_match(stranger, holders, near) -> None:
    matched = find_matches({NEW: stranger}, holders, {})

    assert matched.matches == {}
    assert matched.conflicts == {NEW: near}


def test_whoever_lives_in_the_same_source_is_another_unless_it_was_this_one_before() -> None:
    p = holder("p", "S1", outside=("old",))

    busy = find_matches({NEW: keys("S1")}, [p], {"p": frozenset({"old"})})
    assert (busy.matches, busy.conflicts) == ({}, {NEW: {"p": "same_state_id"}})

    renamed = find_matches({NEW: keys("S1", legacy_ids=("old",))}, [p], {"p": frozenset({"old"})})
    assert renamed.matches == {NEW: match("same_state_id")}


def test_two_of_one_batch_who_meet_the_same_person_are_two() -> None:
    other = ("user", "other")
    both = find_matches({NEW: keys("S1"), other: keys("S1")}, [holder("p", "S1")], {})

    assert (both.matches, set(both.conflicts)) == ({}, {NEW, other})


def test_strangers_who_share_a_key_are_pairs_by_the_first_rule_that_names_both() -> None:
    found = {
        ("user", "a"): keys("S1", "1"), ("user", "b"): keys("S1", "1"), ("user", "c"): keys("S2"),
        ("user", "d"): keys(None, "S2"), ("user", "e"): keys("S2", kind="staff"),
    }  # fmt: skip
    many = {("user", f"m{n}"): keys(None, "9") for n in range(7)}

    pairs = list(alike_strangers({**found, **many}, most=5))

    assert pairs == [(("user", "a"), ("user", "b"), "same_state_id")]


def test_a_large_batch_is_matched_without_comparing_each_with_each() -> None:
    strangers = {("user", f"n{n}"): keys(None, f"no-{n}") for n in range(10_000)}
    known = [holder(f"o{n}", None, f"no-{n}") for n in range(10_000)]
    begun = monotonic()

    found = find_matches(strangers, known, {}).matches

    assert {key[1]: one.entity_id for key, one in found.items()} == {
        f"n{n}": f"o{n}" for n in range(10_000)
    }
    # Each with each is a hundred million comparisons: a bound for the slowest of machines.
    assert monotonic() - begun < 10


def test_a_number_that_is_but_the_own_id_needs_the_name_too() -> None:
    def school(record_id: str, number: str, name: str) -> MatchKeys:
        record = {"sourcedId": record_id, "identifier": number, "name": name, "type": "school"}
        return match_keys("org", record)

    north = school("1", "1", "North High")
    held = [Holder(entity_id="p", keys=north)]

    assert find_matches({NEW: school("x", "1", "South")}, held, {}).matches == {}
    assert find_matches({NEW: school("x", "1", "NORTH  HIGH")}, held, {}).matches
    real = [Holder(entity_id="p", keys=school("a", "0101", "North High"))]
    assert find_matches({NEW: school("b", "0101", "North High School")}, real, {}).matches


def test_what_refers_to_others_is_told_by_our_ids() -> None:
    course = {"sourcedId": "c", "courseCode": "ART", "title": "Art", "org": {"sourcedId": "s-x"}}
    section = {
        "sourcedId": "k", "classCode": "A5", "school": {"sourcedId": "s-x"},
        "course": {"sourcedId": "c"}, "terms": [{"sourcedId": "t2"}, {"sourcedId": "t1"}],
    }  # fmt: skip
    ids = {
        ("org", "s-x"): "school", ("course", "c"): "course",
        ("academicSession", "t1"): "fall", ("academicSession", "t2"): "spring",
    }  # fmt: skip
    ours = {**course, "org": {"sourcedId": "school"}}

    assert match_keys("course", course, ids).local_id == match_keys("course", ours).local_id
    assert match_keys("course", course, {}).local_id is None
    reordered = {**section, "terms": section["terms"][::-1]}
    key = match_keys("class", section, ids).local_id
    assert key == match_keys("class", reordered, ids).local_id is not None
    del ids["academicSession", "t2"]
    assert match_keys("class", section, ids).local_id is None
    assert match_keys("class", {**section, "classCode": ""}, ids).local_id is None


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"ic.legacysourceId": " s1 "}, ("s1",)),
        ({"ic": {"legacysourceId": "s1"}}, ("s1",)),
        ({"legacySourcedIds": ["s1", "t1", "u1", 7]}, ("s1", "t1")),
        ({"legacySource": "s1", "note": "x"}, ()),
        (None, ()),
    ],
)
def test_ids_from_before_are_read_from_the_metadata_of_any_entity(metadata, expected) -> None:
    assert match_keys("user", {**user("u1"), "metadata": metadata}).legacy_ids == expected
    school = {"sourcedId": "u1", "identifier": "n", "type": "school", "metadata": metadata}
    assert match_keys("org", school).legacy_ids == expected


def test_keys_are_trimmed_and_what_cannot_be_a_number_is_none() -> None:
    record = {**user("u1"), "userMasterIdentifier": " S1 ", "identifier": "x" * 256}

    assert match_keys("user", record) == keys("S1", name="byron ada", given="ada")
    assert not match_keys("user", {**user("u1"), "identifier": "  "})


def test_the_kind_is_that_of_the_primary_role_and_only_staff_have_an_email_key() -> None:
    def roles(*names: str):
        kinds = [("secondary", n) for n in names[:-1]] + [("primary", names[-1])]
        found = [{"roleType": t, "role": n} for t, n in kinds]
        return match_keys("user", {"roles": found, "email": " Ada@North.Example "})

    assert (roles("parent", "teacher").kind, roles("teacher").email) == (
        "staff",
        "ada@north.example",
    )
    assert (roles("relative").kind, roles("relative").email) == ("guardian", None)
    assert (roles("student").kind, roles("student").email) == ("student", None)


def test_names_are_alike_without_case_accents_and_signs() -> None:
    assert fold("O'Brien-Nuñez", "JO") == fold("obrien nunez", "Jo") == "obrien nunez jo"
    assert fold("Byron", "") is None
    assert fold("Byron", None) is None


def test_a_key_that_many_share_suggests_nothing() -> None:
    few = {f"p{n}": "same_local_id" for n in range(5)}
    many = {f"p{n}": "same_local_id" for n in range(6)}

    assert len(list(from_conflicts("user", [("x", few)]))) == 5
    assert list(from_conflicts("user", [("x", many)])) == []
    assert list(from_conflicts("course", [("x", few)])) == []
