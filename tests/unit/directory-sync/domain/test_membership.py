"""Desired x known group: the actions bring any group right, and then there is nothing left to do.

The directory here is five lines; its members may include people who are none of ours.
"""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_sync.domain.fact import Cause
from directory_sync.domain.group import DesiredGroup, GroupKind, GroupName, Place, class_group
from directory_sync.domain.ids import DistrictId, PersonId, TargetId
from directory_sync.domain.membership import (
    MOST_AT_ONCE,
    ChangeGroup,
    ClaimedGroup,
    CreateGroup,
    Doubt,
    KnownGroup,
    LookForGroup,
    ReadGroup,
    desired_group,
    keeping,
    plan_group,
)
from directory_sync.domain.person import RosterClass
from directory_sync.domain.policy import Policy

TODAY = date(2026, 9, 15)
PEOPLE = [PersonId(f"p{n}") for n in range(6)]
STRANGERS = frozenset({"x1", "x2"})
NAME = class_group("c1")

account_ids = st.sets(st.sampled_from([f"a-{person}" for person in PEOPLE]))
desired_groups = st.builds(
    lambda shown, ids: DesiredGroup(display_name=shown, members=_owned(ids)),
    st.sampled_from(["Algebra", "Geometry"]),
    account_ids,
)
# A group that is there, gone, never made, or of which we know less than we think.
known_groups = st.none() | st.builds(
    lambda there, doubt, ids: KnownGroup(
        group_id="g1" if there else None,
        display_name="Algebra",
        doubt=doubt,
        members=_owned(ids) if there else {},
    ),
    st.booleans(),
    st.none() | st.sampled_from(Doubt),
    account_ids,
)


@given(desired_groups, known_groups, account_ids, st.booleans())
def test_the_actions_bring_any_group_right_and_leave_strangers_in_it(
    desired, known, standing, there
):
    """What stands there may differ from what we know exactly where we are in doubt."""
    directory = _Directory()
    if known is not None and known.group_id is not None:
        believed = known.doubt is None
        members = frozenset(known.members) if believed else frozenset(standing)
        directory.stand("g1", known.display_name, members | STRANGERS)
    elif known is not None and known.doubt is not None and there:
        directory.stand("g1", "old name", frozenset(standing) | STRANGERS)
    strangers_before = directory.members & STRANGERS

    for _ in range(5):
        action = plan_group(desired, known)
        if action is None:
            break
        known = directory.apply(action, known)

    assert plan_group(desired, known) is None
    assert directory.members - STRANGERS == frozenset(desired.members)
    assert directory.members & STRANGERS == strangers_before
    assert len(directory.groups) <= 1
    if directory.groups:
        assert directory.groups["g1"][0] == desired.display_name


@given(
    st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(["", "2026-10-01"])), max_size=8),
    st.sets(st.sampled_from(PEOPLE)),
)
def test_members_are_those_with_a_place_today_and_an_account(places, with_account):
    claimed = _claimed(
        places=[(person, _place(begin=begin)) for person, begin in places],
        accounts={person: f"a-{person}" for person in with_account},
    )

    desired = desired_group(claimed, policy=_policy(), today=TODAY)

    expected = {person for person, begin in places if not begin} & with_account
    assert desired is not None
    assert set(desired.members.values()) == expected


def test_a_group_that_nobody_belongs_to_is_emptied_and_keeps_its_name():
    stands = KnownGroup(group_id="g1", display_name="Algebra", doubt=None, members=_owned({"a-p1"}))
    gone = desired_group(_claimed(known=stands, roster_class=None), policy=_policy(), today=TODAY)

    assert plan_group(gone, stands) == ChangeGroup(
        group_id="g1", rename=None, add={}, remove={"a-p1": PersonId("p1")}
    )


def test_a_group_is_made_once_it_has_a_member_and_a_name():
    assert plan_group(DesiredGroup(display_name="Algebra", members={}), None) is None
    assert plan_group(None, None) is None
    assert desired_group(_claimed(roster_class=None), policy=_policy(), today=TODAY) is None


def test_a_group_of_very_many_is_made_with_a_part_of_them():
    crowd = {f"a{n:05}": PersonId(f"p{n}") for n in range(MOST_AT_ONCE + 1)}

    action = plan_group(DesiredGroup(display_name="All", members=crowd), None)

    assert isinstance(action, CreateGroup)
    assert (len(action.members), action.more) == (MOST_AT_ONCE, True)


def test_removals_that_wait_stop_nothing_else():
    action = ChangeGroup(
        group_id="g1", rename="New", add=_owned({"a-p1"}), remove=_owned({"a-p2", "a-p3"})
    )

    assert keeping(action, {"a-p2", "a-p3"}) == replace(action, remove={})
    assert keeping(replace(action, rename=None, add={}), {"a-p2", "a-p3"}) is None


@pytest.mark.parametrize(
    ("kind", "school_name", "known", "shown"),
    [
        (GroupKind.STAFF, "Hill", None, "Hill: staff"),
        (GroupKind.STUDENTS, None, None, "hill: students"),
        (GroupKind.STUDENTS, None, "Hill: students", "Hill: students"),
    ],
)
def test_a_school_group_is_shown_by_the_latest_name_told(kind, school_name, known, shown):
    stands = (
        None
        if known is None
        else KnownGroup(group_id="g1", display_name=known, doubt=None, members={})
    )
    claimed = replace(
        _claimed(known=stands, roster_class=None),
        name=GroupName(kind=kind, subject_id="hill"),
        school_name=school_name,
    )

    desired = desired_group(claimed, policy=_policy(), today=TODAY)

    assert desired is not None
    assert desired.display_name == shown


class _Directory:
    """Groups by id: name and members."""

    def __init__(self):
        self.groups = {}

    @property
    def members(self):
        return self.groups["g1"][1] if self.groups else frozenset()

    def stand(self, group_id, shown, members):
        self.groups[group_id] = (shown, members)

    def apply(self, action, known):
        """What we know of the group once the action is done."""
        match action:
            case CreateGroup():
                assert not self.groups, "a second group with one key"
                self.stand("g1", action.display_name, frozenset(action.members))
                return _known(action.display_name, action.members)
            case LookForGroup() | ReadGroup():
                if not self.groups:
                    return replace(known, group_id=None, doubt=None, members={})
                shown, members = self.groups["g1"]
                return _known(shown, _owned(members - STRANGERS))
            case ChangeGroup():
                shown, members = self.groups[action.group_id]
                assert not set(action.remove) & STRANGERS
                self.stand(
                    action.group_id,
                    action.rename or shown,
                    (members | set(action.add)) - set(action.remove),
                )
                kept = {a: p for a, p in known.members.items() if a not in action.remove}
                return _known(action.rename or shown, kept | dict(action.add))


def _known(shown, members):
    return KnownGroup(group_id="g1", display_name=shown, doubt=None, members=members)


def _owned(ids):
    return {account_id: PersonId(account_id.removeprefix("a-")) for account_id in ids}


def _place(*, begin=""):
    return Place(name=NAME, number=0, role="student", begin=begin, end="", school_name="")


ALGEBRA = RosterClass(
    class_id="c1",
    active=True,
    title="Algebra",
    class_code=None,
    school_id="hill",
    school_name="Hill",
)


def _claimed(*, places=(), accounts=None, known=None, roster_class=ALGEBRA):
    return ClaimedGroup(
        name=NAME,
        places=places,
        accounts=accounts or {},
        roster_class=roster_class,
        school_name=None,
        known=known,
        cause=Cause(correlation_id="why", causation_id=None, origin="webhook"),
        attempt=1,
        generation=1,
    )


def _policy():
    return Policy(
        district_id=DistrictId("north"),
        target_id=TargetId("t"),
        roles=frozenset({"student"}),
        email_domain=None,
        time_zone="UTC",
        groups=frozenset({"school", "class"}),
    )
