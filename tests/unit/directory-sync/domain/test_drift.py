"""What others changed in a directory is seen field by field; a list that may be cut is not."""

import pytest

from directory_sync.domain.account import ActualAccount
from directory_sync.domain.drift import Known, ReadOutcome, drift, judge_list
from directory_sync.domain.ids import PersonId


def account(name: str = "Ada", *, enabled: bool = True) -> ActualAccount:
    return ActualAccount(
        account_id="a",
        external_id="p",
        username="ada",
        email=None,
        enabled=enabled,
        attributes={"displayName": name},
    )


def known(*, busy: bool = False) -> Known:
    return Known(person_id=PersonId("p"), actual=account(), busy=busy)


def test_a_changed_field_is_told_with_hashes_and_without_values():
    found = drift(known(), account("Eva", enabled=False))

    assert [one.field for one in found.differences] == ["displayName", "active"]
    changed = found.differences[0]
    assert changed.expected_hash != changed.actual_hash
    assert (len(changed.expected_hash), len(changed.actual_hash)) == (64, 64)


def test_a_missing_account_is_one_difference():
    (gone,) = drift(known(), None).differences

    assert (gone.field, gone.actual_hash) == ("account", None)


def test_what_stands_as_known_or_is_being_changed_is_no_drift():
    assert drift(known(), account()) is None
    assert drift(known(busy=True), account("Eva")) is None
    assert drift(known(busy=True), None) is None


@pytest.mark.parametrize(
    ("listed", "ours", "missing", "outcome"),
    [
        (0, 0, 0, ReadOutcome.BELIEVED),
        (0, 1, 1, ReadOutcome.EMPTY),
        (5, 30, 25, ReadOutcome.BELIEVED),
        (4, 30, 26, ReadOutcome.SHRUNKEN),
        (950, 1_000, 50, ReadOutcome.BELIEVED),
        (949, 1_000, 51, ReadOutcome.SHRUNKEN),
        (30, 0, 0, ReadOutcome.BELIEVED),
    ],
)
def test_an_empty_or_shrunken_list_is_not_believed(listed, ours, missing, outcome):
    assert judge_list(listed=listed, known=ours, missing=missing) is outcome
