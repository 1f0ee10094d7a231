"""What is sent to and read from a SCIM target, by hand from RFC 7643 and RFC 7644."""

import pytest
from scim2_models import BulkRequest, PatchOp, User

from directory_sync.domain.account import ActualAccount, Names, NameSource
from directory_sync.domain.ids import PersonId
from directory_sync.domain.person import Person, Role
from directory_sync.domain.plan import Change, Create, Disable, Enable, Update
from directory_sync.targets.scim.desired import WORK_EMAIL, desired
from directory_sync.targets.scim.wire import (
    ScimUnreadable,
    after,
    bulk,
    error_code,
    filter_equal,
    new_user,
    patch,
    read_list,
    read_user,
)

NAMES = Names(username="alovelace", email="alovelace@north.example", source=NameSource.ALLOCATED)
ROLE = Role(role="student", role_type="primary", org_id="hill", begin=None, end=None)


def test_a_new_account_holds_names_type_and_address_and_no_more():
    assert new_user(_ada()) == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "externalId": "p1",
        "userName": "alovelace",
        "displayName": "Ada Lovelace",
        "userType": "student",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": "alovelace@north.example", "type": "work", "primary": True}],
        "active": True,
    }


def test_what_is_sent_reads_back_as_what_was_wanted():
    shown = {**new_user(_ada()), "id": "a1", "phoneNumbers": [{"value": "not ours"}]}

    account = read_user(shown)

    assert account.attributes == _ada().attributes
    assert account == after(Create(desired=_ada()), "a1")


def test_an_update_names_only_what_changes():
    change = Update(
        actual=_stands(),
        changes=(
            Change(name="displayName", value="Ada Byron"),
            Change(name="userType", value=None),
            Change(name=WORK_EMAIL, value="new@north.example"),
        ),
    )

    assert patch(change) == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [
            {"op": "replace", "path": "displayName", "value": "Ada Byron"},
            {"op": "remove", "path": "userType"},
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": "new@north.example"},
        ],
    }


def test_a_first_work_address_is_added_because_a_filter_that_finds_nothing_is_an_error():
    change = Update(
        actual=_stands(without=WORK_EMAIL), changes=(Change(name=WORK_EMAIL, value="a@b.example"),)
    )

    assert patch(change)["Operations"] == [
        {
            "op": "add",
            "path": "emails",
            "value": [{"value": "a@b.example", "type": "work", "primary": True}],
        }
    ]


def test_a_disabled_account_keeps_everything_but_its_switch():
    assert patch(Disable(actual=_stands()))["Operations"] == [
        {"op": "replace", "path": "active", "value": False}
    ]
    assert after(Disable(actual=_stands()), "a1").attributes == _stands().attributes


def test_an_enabled_account_is_switched_on_last():
    change = Enable(actual=_stands(), changes=(Change(name="displayName", value="Ada"),))

    assert [o["path"] for o in patch(change)["Operations"]] == ["displayName", "active"]


def test_bodies_are_valid_for_models_made_by_others():
    operations = [Create(desired=_ada()), Disable(actual=_stands())]

    assert User.model_validate(new_user(_ada())).user_name == "alovelace"
    assert PatchOp[User].model_validate(patch(Disable(actual=_stands())))
    assert len(BulkRequest[User].model_validate(bulk(operations)).operations or []) == 2


def test_a_value_in_a_filter_cannot_break_out_of_its_quotes():
    assert filter_equal("userName", 'a" or userName pr or "') == (
        'userName eq "a\\" or userName pr or \\""'
    )


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"scimType": "invalidValue", "detail": "Ada is refused"}, "scim_invalidValue"),
        (400, {"scimType": "Ada Lovelace"}, "http_400"),
        (404, {}, "http_404"),
    ],
)
def test_a_refusal_becomes_a_code_and_never_the_words_of_the_target(status, body, code):
    assert error_code(status, body) == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"Resources": []}',
        b'{"totalResults": 1, "Resources": [{}]}',
    ],
)
def test_an_answer_that_is_not_scim_is_concluded_nothing_from(body):
    with pytest.raises(ScimUnreadable):
        read_list(body)


def _ada():
    person = Person(
        person_id=PersonId("p1"),
        active=True,
        enabled=True,
        given_name="Ada ",
        family_name="Lovelace",
        preferred_first_name=None,
        preferred_last_name=None,
        username=None,
        email=None,
        primary_org_id="hill",
        roles=(ROLE,),
        seats=(),
    )
    return desired(person, NAMES, ROLE)


def _stands(*, without=None):
    attributes = {k: v for k, v in _ada().attributes.items() if k != without}
    return ActualAccount(
        account_id="a1",
        external_id="p1",
        username="alovelace",
        email=attributes.get(WORK_EMAIL),
        enabled=True,
        attributes=attributes,
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"totalResults": 1, "Resources": [null]}',
        b'{"totalResults": true, "Resources": []}',
        b'{"totalResults": 1, "Resources": {}}',
        b'{"totalResults": 1, "Resources": [{"id": "a\\u0000", "userName": "ada"}]}',
        b'{"totalResults": 1, "Resources": [{"id": "", "userName": "ada"}]}',
        b'{"totalResults": 1, "Resources": [{"id": "a1", "userName": []}]}',
    ],
)
def test_a_list_that_makes_no_sense_is_unreadable(body):
    with pytest.raises(ScimUnreadable):
        read_list(body)


def test_what_no_store_can_keep_is_left_out_of_texts():
    user = read_user({"id": "a1", "userName": "a\x00da", "displayName": "\x00", "name": []})

    assert (user.username, dict(user.attributes)) == ("ada", {"userName": "ada"})


@pytest.mark.parametrize("scim_type", [[], {}, None, 7, "of a stranger"])
def test_a_refusal_without_a_known_type_is_named_by_its_status(scim_type):
    assert error_code(400, {"scimType": scim_type}) == "http_400"
