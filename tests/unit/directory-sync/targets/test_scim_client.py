"""What each answer of a SCIM target means for us, and what is asked of it."""

import orjson
import pytest

from directory_sync.domain.account import ActualAccount, DesiredAccount
from directory_sync.domain.ids import PersonId, TargetId
from directory_sync.domain.outcome import (
    Applied,
    Missing,
    NameTaken,
    Order,
    Rejected,
    Unavailable,
)
from directory_sync.domain.plan import Change, Create, Look, Update
from directory_sync.ports import Answer, Connection, NotReached
from directory_sync.targets.scim.client import ScimTarget
from directory_sync.targets.scim.exchange import ScimTargetAway

P1 = PersonId("p1")


class Scripted:
    """A target that answers by method and path; it keeps what it was asked."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    async def send(self, method, url, *, query=None, headers=None, body=None, timeout_s):
        path = url.removeprefix("http://target/v2")
        self.asked.append((method, path, query, None if body is None else orjson.loads(body)))
        answer = self.answers[method, path]
        answer = answer.pop(0) if isinstance(answer, list) else answer
        if isinstance(answer, NotReached):
            raise answer
        status, content, *more = answer
        return Answer(
            status=status,
            headers=more[0] if more else {},
            body=b"" if content is None else orjson.dumps(content),
        )


async def test_a_created_account_is_what_the_target_shows():
    target, _ = _target({("POST", "/Users"): (201, _user("a1", userName="ADA"))})

    (outcome,) = await target.apply([_create("p1")])

    assert isinstance(outcome, Applied)
    assert outcome.actual.account_id == "a1"
    assert outcome.actual.username == "ADA"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((400, {"scimType": "invalidValue"}), Rejected(code="scim_invalidValue")),
        ((413, None), Rejected(code="http_413")),
        (
            (429, None, {"retry-after": "7"}),
            Unavailable(code="http_429", retry_after_s=7.0, maybe_done=False),
        ),
        ((500, None), Unavailable(code="http_500", retry_after_s=None, maybe_done=True)),
        ((401, None), Unavailable(code="http_401", retry_after_s=None, maybe_done=False)),
        (
            NotReached("timeout", maybe_done=True),
            Unavailable(code="timeout", retry_after_s=None, maybe_done=True),
        ),
        (
            (201, {"not": "a user"}),
            Unavailable(code="unreadable_answer", retry_after_s=None, maybe_done=True),
        ),
    ],
)
async def test_each_answer_to_a_create_takes_its_road(answer, outcome):
    target, _ = _target({("POST", "/Users"): answer})

    assert await target.apply([_create("p1")]) == [outcome]


async def test_a_name_in_use_by_our_own_earlier_create_is_our_account():
    target, _ = _target(
        {
            ("POST", "/Users"): (409, {"scimType": "uniqueness"}),
            ("GET", "/Users"): (200, _listed(_user("a1", externalId="p1"))),
        }
    )

    (outcome,) = await target.apply([_create("p1")])

    assert isinstance(outcome, Applied)
    assert outcome.linked
    assert outcome.actual.account_id == "a1"


async def test_a_name_in_use_by_somebody_else_is_taken():
    target, _ = _target(
        {
            ("POST", "/Users"): (409, {"scimType": "uniqueness"}),
            ("GET", "/Users"): (200, _listed(_user("a1", externalId="p2"))),
        }
    )

    assert await target.apply([_create("p1")]) == [NameTaken()]


async def test_a_change_without_an_answer_body_is_confirmed_by_reading():
    target, transport = _target(
        {
            ("PATCH", "/Users/a1"): (204, None),
            ("GET", "/Users/a1"): (200, _user("a1", displayName="Ada Byron")),
        }
    )

    (outcome,) = await target.apply([_update()])

    assert isinstance(outcome, Applied)
    assert outcome.actual.attributes["displayName"] == "Ada Byron"
    assert [method for method, *_ in transport.asked] == ["PATCH", "GET"]


async def test_a_change_to_an_account_that_is_gone_says_so():
    target, _ = _target({("PATCH", "/Users/a1"): (404, None)})

    assert await target.apply([_update()]) == [Missing()]


@pytest.mark.parametrize(
    ("listed", "outcome"),
    [
        ([], Missing()),
        (["p1", "p1"], Rejected(code="ambiguous_match")),
    ],
)
async def test_looking_for_an_earlier_create_finds_none_or_too_many(listed, outcome):
    users = [_user(f"a{n}", externalId=owner) for n, owner in enumerate(listed)]
    target, _ = _target({("GET", "/Users"): (200, _listed(*users))})

    order = Order(person_id=P1, action=Look(username="ada"))

    assert await target.apply([order]) == [outcome]


async def test_a_target_that_cannot_search_by_external_id_is_searched_by_name():
    target, transport = _target(
        {
            ("GET", "/Users"): [
                (400, {"scimType": "invalidFilter"}),
                (200, _listed(_user("a1", externalId="p1"))),
            ]
        }
    )

    (outcome,) = await target.apply([Order(person_id=P1, action=Look(username="ada"))])

    assert isinstance(outcome, Applied)
    assert [query["filter"] for _, _, query, _ in transport.asked] == [
        'externalId eq "p1"',
        'userName eq "ada"',
    ]


async def test_many_changes_go_as_one_bulk_request_and_each_has_its_own_outcome():
    results = [
        {"bulkId": str(n), "status": "201", "location": f"http://target/v2/Users/a{n}"}
        for n in range(20)
    ]
    results[3] = {"bulkId": "3", "status": "400", "response": {"scimType": "invalidValue"}}
    results[4] = {"bulkId": "4", "status": "503"}
    target, transport = _target(
        {
            ("GET", "/ServiceProviderConfig"): (
                200,
                {"bulk": {"supported": True, "maxOperations": 1000}},
            ),
            ("POST", "/Bulk"): (200, {"Operations": list(reversed(results))}),
        }
    )

    outcomes = await target.apply([_create(f"p{n}") for n in range(20)])

    assert outcomes[3] == Rejected(code="scim_invalidValue")
    assert outcomes[4] == Unavailable(code="http_503", retry_after_s=None, maybe_done=True)
    assert all(isinstance(o, Applied) for n, o in enumerate(outcomes) if n not in (3, 4))
    assert outcomes[7].actual.account_id == "a7"
    assert [path for _, path, *_ in transport.asked] == ["/ServiceProviderConfig", "/Bulk"]


async def test_a_target_that_refuses_bulk_gets_one_request_per_change():
    target, transport = _target(
        {
            ("GET", "/ServiceProviderConfig"): (
                200,
                {"bulk": {"supported": True, "maxOperations": 1000}},
            ),
            ("POST", "/Bulk"): (413, None),
            ("POST", "/Users"): (201, _user("a1")),
        }
    )

    outcomes = await target.apply([_create(f"p{n}") for n in range(20)])

    assert all(isinstance(outcome, Applied) for outcome in outcomes)
    assert sum(path == "/Users" for _, path, *_ in transport.asked) == 20


@pytest.mark.parametrize("most", [None, "many", True, -1, 0])
async def test_a_bulk_offer_that_names_no_number_is_none(most):
    target, transport = _target(
        {
            ("GET", "/ServiceProviderConfig"): (
                200,
                {"bulk": {"supported": True, "maxOperations": most}},
            ),
            ("POST", "/Users"): (201, _user("a1")),
        }
    )

    outcomes = await target.apply([_create(f"p{n}") for n in range(16)])

    assert all(isinstance(outcome, Applied) for outcome in outcomes)
    assert "/Bulk" not in {path for _, path, *_ in transport.asked}


async def test_a_bulk_result_that_makes_no_sense_is_no_result():
    results = [
        None,
        {"bulkId": "1", "status": "201", "location": None},
        {"bulkId": "2", "status": "9" * 5_000},
        {"bulkId": "3", "status": "400", "response": {"scimType": []}},
        *({"bulkId": str(n), "status": "201", "location": f"/Users/{n}%2Fx"} for n in range(4, 16)),
    ]
    target, _ = _target(
        {
            ("GET", "/ServiceProviderConfig"): (
                200,
                {"bulk": {"supported": True, "maxOperations": 100}},
            ),
            ("POST", "/Bulk"): (200, {"Operations": results}),
        }
    )

    outcomes = await target.apply([_create(f"p{n}") for n in range(16)])

    unclear = [getattr(outcome, "code", None) for outcome in outcomes[:4]]
    assert unclear == ["bulk_no_result", "bulk_no_location", "bulk_no_result", "http_400"]
    assert [o.actual.account_id for o in outcomes[4:]] == [f"{n}/x" for n in range(4, 16)]


async def test_an_id_is_quoted_in_a_path_and_read_from_an_address():
    target, transport = _target({("PATCH", "/Users/a%2F..%3F1"): (200, _user("a/..?1"))})
    action = Update(actual=_stands("a/..?1"), changes=(Change(name="displayName", value="Ada"),))

    (outcome,) = await target.apply([Order(person_id=P1, action=action)])

    assert isinstance(outcome, Applied)
    assert [path for _, path, *_ in transport.asked] == ["/Users/a%2F..%3F1"]


async def test_a_list_is_read_to_its_last_page():
    target, transport = _target(
        {
            ("GET", "/Users"): [
                (200, {"totalResults": 3, "Resources": [_user("a1"), _user("a2")]}),
                (200, {"totalResults": 3, "Resources": [_user("a3")]}),
            ]
        }
    )

    pages = [page async for page in target.read_all()]

    assert [a.account_id for page in pages for a in page.accounts] == ["a1", "a2", "a3"]
    assert [query["startIndex"] for _, _, query, _ in transport.asked] == ["1", "3"]


async def test_a_list_that_does_not_come_is_not_an_empty_one():
    target, _ = _target({("GET", "/Users"): (503, None)})

    with pytest.raises(ScimTargetAway):
        [page async for page in target.read_all()]


def _target(answers):
    transport = Scripted(answers)
    connection = Connection(
        target_id=TargetId("t"), url="http://target/v2/", token="t", concurrency=1
    )
    return ScimTarget(connection, transport), transport


def _user(account_id, **fields):
    return {"id": account_id, "userName": "ada", "active": True, **fields}


def _listed(*users):
    return {"totalResults": len(users), "Resources": list(users)}


def _create(person_id):
    wanted = DesiredAccount(
        person_id=PersonId(person_id),
        username="ada",
        email=None,
        attributes={"userName": "ada", "externalId": person_id},
    )
    return Order(person_id=PersonId(person_id), action=Create(desired=wanted))


def _update():
    change = Change(name="displayName", value="Ada Byron")
    return Order(person_id=P1, action=Update(actual=_stands("a1"), changes=(change,)))


def _stands(account_id):
    return ActualAccount(
        account_id=account_id,
        external_id="p1",
        username="ada",
        email=None,
        enabled=True,
        attributes={"userName": "ada"},
    )
