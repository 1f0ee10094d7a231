"""Which account found in a target is a person's: one links, none creates, several stop."""

from directory_sync.domain.account import ActualAccount
from directory_sync.domain.ids import PersonId
from directory_sync.domain.matching import MatchRefused, match_found

ADA = PersonId("ada")


def test_an_account_that_carries_our_id_is_linked_whatever_its_name():
    mine = _found("a1", username="old.name", external_id="ada")

    assert match_found(ADA, username="ada.l", found=[_found("a2", username="ada.l"), mine]) == mine


def test_an_account_without_an_id_is_linked_by_the_rosters_username_in_any_case():
    mine = _found("a1", username="Ada.L")

    assert match_found(ADA, username="ada.l", found=[mine]) == mine


def test_an_account_of_another_person_is_never_linked():
    other = _found("a1", username="ada.l", external_id="ben")

    assert match_found(ADA, username="ada.l", found=[other]) is None


def test_nobody_is_linked_by_a_username_that_the_roster_did_not_give():
    assert match_found(ADA, username=None, found=[_found("a1", username="alovelace")]) is None


def test_two_accounts_with_our_id_wait_for_a_person_to_decide():
    twice = [_found("a1", external_id="ada"), _found("a2", external_id="ada")]

    assert match_found(ADA, username=None, found=twice) == MatchRefused(code="ambiguous_match")


def _found(account_id, *, username="someone", external_id=None):
    return ActualAccount(
        account_id=account_id,
        external_id=external_id,
        username=username,
        email=None,
        enabled=True,
        attributes={},
    )
