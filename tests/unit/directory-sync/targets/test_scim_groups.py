"""What is asked of a SCIM target about groups, and what each of its answers means for us."""

import orjson
import pytest

from directory_sync.domain.group import GroupKey
from directory_sync.domain.ids import PersonId, TargetId
from directory_sync.domain.membership import (
    ChangeGroup,
    CreateGroup,
    GroupChanged,
    GroupCreated,
    GroupMissing,
    GroupOrder,
    LookForGroup,
    ReadGroup,
    SeenGroup,
)
from directory_sync.domain.outcome import Rejected, Unavailable
from directory_sync.ports import Answer, Connection, NotReached
from directory_sync.targets.scim.exchange import ScimTargetAway
from directory_sync.targets.scim.groups import ScimGroups

KEY = GroupKey("k12:class:c1")
CREATE = CreateGroup(display_name="Algebra", members={"a1": PersonId("p1")}, more=False)


async def test_a_group_is_made_with_its_members_in_one_request():
    groups, transport = _groups((201, {"id": "g1", "members": [{"value": "a1"}]}))

    assert await _apply(groups, CREATE) == GroupCreated(group_id="g1")
    assert transport.asked == [
        (
            "POST",
            "/Groups",
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "externalId": KEY,
                "displayName": "Algebra",
                "members": [{"value": "a1"}],
            },
        )
    ]


async def test_many_members_go_in_requests_of_a_hundred_at_most_and_removals_name_one_each():
    groups, transport = _groups(*[(204, None)] * 6)
    action = ChangeGroup(
        group_id="g1", rename="New", add=_people("a", 201), remove=_people("r", 60)
    )

    assert await _apply(groups, action) == GroupChanged()

    operations = [body["Operations"] for _, _, body in transport.asked]
    assert operations[0] == [{"op": "replace", "path": "displayName", "value": "New"}]
    assert [len(ops[0]["value"]) for ops in operations[1:4]] == [100, 100, 1]
    assert [len(ops) for ops in operations[4:]] == [50, 10]
    assert operations[5][0] == {"op": "remove", "path": 'members[value eq "r050"]'}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((404, None), GroupMissing()),
        ((400, {"scimType": "invalidValue"}), Rejected(code="scim_invalidValue")),
        (
            (429, None, {"retry-after": "7"}),
            Unavailable(code="http_429", retry_after_s=7.0, maybe_done=False),
        ),
        ((503, None), Unavailable(code="http_503", retry_after_s=None, maybe_done=True)),
        (
            NotReached("timeout", maybe_done=True),
            Unavailable(code="timeout", retry_after_s=None, maybe_done=True),
        ),
    ],
)
async def test_each_refusal_of_a_change_takes_its_road_and_ends_it(answer, outcome):
    groups, transport = _groups(answer)
    action = ChangeGroup(group_id="g1", rename="New", add=_people("a", 1), remove={})

    assert await _apply(groups, action) == outcome
    assert len(transport.asked) == 1


async def test_a_member_that_the_target_refuses_keeps_no_other_back():
    groups, transport = _groups(
        (400, {"scimType": "invalidValue"}),
        (204, None),
        (404, None),
        (200, {"id": "g1"}),
        (404, None),
        (200, {"id": "g1"}),
        (204, None),
        (204, None),
    )
    action = ChangeGroup(group_id="g1", rename=None, add=_people("a", 4), remove=_people("r", 1))

    outcome = await _apply(groups, action)

    assert outcome == GroupChanged(refused=frozenset({"a002"}))
    changed = [body["Operations"][0] for method, _, body in transport.asked if method == "PATCH"]
    assert [len(op.get("value", ())) for op in changed] == [4, 2, 2, 1, 1, 0]


async def test_a_group_that_is_gone_is_told_from_a_member_that_is():
    groups, _ = _groups((404, None), (404, None))
    action = ChangeGroup(group_id="g1", rename=None, add=_people("a", 2), remove={})

    assert await _apply(groups, action) == GroupMissing()


async def test_a_member_to_remove_who_is_not_there_is_out():
    groups, _ = _groups((400, {"scimType": "noTarget"}))
    action = ChangeGroup(group_id="g1", rename=None, add={}, remove=_people("r", 1))

    assert await _apply(groups, action) == GroupChanged()


async def test_a_group_with_a_refused_member_is_made_empty_and_filled():
    groups, transport = _groups((400, None), (201, {"id": "g1"}), (400, None))

    outcome = await _apply(groups, CREATE)

    assert outcome == GroupCreated(group_id="g1", refused=frozenset({"a1"}))
    assert transport.asked[1][2]["members"] == []


async def test_two_groups_of_one_name_are_told_apart_by_the_roster_s_id():
    nothing = {"totalResults": 0, "Resources": []}
    groups, transport = _groups(
        (409, {"scimType": "uniqueness"}), (200, nothing), (201, {"id": "g1"})
    )
    renaming, asked = _groups((409, {"scimType": "uniqueness"}), (204, None))
    rename = ChangeGroup(group_id="g1", rename="Algebra", add={}, remove={})

    assert await _apply(groups, CREATE) == GroupCreated(group_id="g1")
    assert await _apply(renaming, rename) == GroupChanged()

    assert transport.asked[-1][2]["displayName"] == "Algebra [c1]"
    assert asked.asked[-1][2]["Operations"][0]["value"] == "Algebra [c1]"


async def test_a_group_made_before_and_met_again_is_the_same_group():
    ours = {"id": "g1", "externalId": KEY, "displayName": "Algebra", "members": []}
    groups, _ = _groups((409, None), (200, {"totalResults": 1, "Resources": [ours]}))

    outcome = await _apply(groups, CREATE)

    assert isinstance(outcome, SeenGroup)
    assert outcome.group_id == "g1"


async def test_an_answer_without_an_id_leaves_the_outcome_open():
    groups, _ = _groups((201, {"displayName": "Algebra"}))

    assert await _apply(groups, CREATE) == Unavailable(
        code="unreadable_answer", retry_after_s=None, maybe_done=True
    )


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ([], GroupMissing()),
        ([{"id": "g9", "externalId": "k12:class:c2"}], GroupMissing()),
        (
            [{"id": "g1", "externalId": KEY}, {"id": "g2", "externalId": KEY}],
            Rejected(code="ambiguous_match"),
        ),
        (
            [{"id": "g1", "externalId": KEY, "displayName": "A", "members": [{"value": "a1"}]}],
            SeenGroup(group_id="g1", key=KEY, display_name="A", members=frozenset({"a1"})),
        ),
    ],
)
async def test_a_group_is_looked_for_by_its_key(found, outcome):
    groups, _ = _groups((200, {"totalResults": len(found), "Resources": found}))

    assert await _apply(groups, LookForGroup()) == outcome


async def test_a_group_read_shows_its_members():
    groups, _ = _groups((200, {"id": "g1", "externalId": KEY, "members": [{"value": "a1"}, 7]}))

    assert await _apply(groups, ReadGroup(group_id="g1")) == SeenGroup(
        group_id="g1", key=KEY, display_name="", members=frozenset({"a1"})
    )


async def test_a_list_is_read_to_its_end_and_a_cut_one_is_not_believed():
    one = {"id": "g1", "externalId": KEY, "displayName": "A"}
    whole, _ = _groups(
        (200, {"totalResults": 2, "Resources": [one]}),
        (200, {"totalResults": 2, "Resources": [one | {"id": "g2"}]}),
    )
    cut, _ = _groups(
        (200, {"totalResults": 2, "Resources": [one]}), (200, {"totalResults": 2, "Resources": []})
    )

    pages = [page async for page in whole.read_all()]

    assert [group.group_id for page in pages for group in page] == ["g1", "g2"]
    with pytest.raises(ScimTargetAway):
        [page async for page in cut.read_all()]


class Answering:
    """A target that gives its answers in turn; it keeps what it was asked."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.asked = []

    async def send(self, method, url, *, query=None, headers=None, body=None, timeout_s):
        path = url.removeprefix("http://target/v2")
        self.asked.append((method, path, None if body is None else orjson.loads(body)))
        answer = self.answers.pop(0)
        if isinstance(answer, NotReached):
            raise answer
        status, content, *more = answer
        return Answer(
            status=status,
            headers=more[0] if more else {},
            body=b"" if content is None else orjson.dumps(content),
        )


def _groups(*answers):
    transport = Answering(answers)
    connection = Connection(
        target_id=TargetId("t"), url="http://target/v2", token="secret", concurrency=4
    )
    return ScimGroups(connection, transport), transport


async def _apply(groups, action):
    (outcome,) = await groups.apply([GroupOrder(key=KEY, action=action)])
    return outcome


def _people(prefix, count):
    return {f"{prefix}{n:03}": PersonId(f"p{n}") for n in range(count)}
