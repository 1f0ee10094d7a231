"""What a difference between two tellings of a device means, and which devices are collected."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticket_events.domain.cause import Cause
from ticket_events.domain.collection import Collection, CollectionState, settle
from ticket_events.domain.device import Device, DeviceStatus, happenings
from ticket_events.domain.ids import DeviceId, DistrictId, PersonId
from ticket_events.domain.presence import Presence

NOW = datetime(2026, 9, 1, tzinfo=UTC)
CAUSE = Cause(correlation_id="c", origin="webhook")


def _device(status="assigned", holder="ada", site="hill", device_id="d1"):
    return Device(
        district_id=DistrictId("north"),
        device_id=DeviceId(device_id),
        asset_tag="A-1",
        serial=None,
        model=None,
        status=DeviceStatus(status),
        holder_id=None if holder is None else PersonId(holder),
        site_id=site,
        funding_source=None,
        purchased_on=None,
    )


STOCK = _device("in_stock", None)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, STOCK, [("registered", None)]),
        (None, _device(), [("registered", "ada"), ("assigned", "ada")]),
        (None, _device("checked_out"), [("registered", "ada"), ("checkedout", "ada")]),
        (STOCK, _device(), [("assigned", "ada")]),
        (_device(), STOCK, [("returned", "ada")]),
        (_device(), _device(holder="ben"), [("returned", "ada"), ("assigned", "ben")]),
        (_device(), _device(site="dale"), [("moved", "ada")]),
        (_device(), _device("checked_out"), [("checkedout", "ada")]),
        (_device(), _device("in_repair"), [("repairopened", "ada")]),
        (_device("in_repair"), _device(), [("repairclosed", "ada")]),
        (_device(), _device("lost"), [("lost", "ada")]),
        (_device("lost"), _device(), [("found", "ada")]),
        (_device("stolen"), STOCK, [("found", "ada"), ("returned", "ada")]),
        (_device(), _device("damaged"), [("damaged", "ada")]),
        (STOCK, _device("retired", None), [("retired", None)]),
        (_device("retired", None), STOCK, [("registered", None)]),
        (STOCK, _device("assigned", None), [("assigned", None)]),
        (_device(), _device(), []),
        (_device(), replace(_device(), model="New"), []),
    ],
)
def test_a_difference_is_told_as_what_happened(before, after, told):
    assert [(what.value, holder) for what, holder in happenings(before, after)] == told


def _presence(person_id, leaving_id, origin="webhook"):
    return Presence(
        person_id=PersonId(person_id),
        leaving_id=leaving_id,
        cause=Cause(correlation_id="c", origin=origin, causation_id=leaving_id),
        since=NOW,
    )


def _task(state="open", *, person="ada", leaving="l1", device="d1"):
    return Collection(
        collection_id=f"{person}/{device}/{leaving}",
        person_id=PersonId(person),
        device_id=DeviceId(device),
        leaving_id=leaving,
        state=CollectionState(state),
        site_id=None,
        turn=0,
        cause=CAUSE,
        changed_at=NOW,
    )


@pytest.mark.parametrize(
    ("device", "presence", "wanted"),
    [
        (_device(), _presence("ada", "l1"), True),
        (_device(), _presence("ada", None), False),
        (_device(), _presence("ada", "l1", origin="firstload"), False),
        (_device(), _presence("ada", "l1", origin="republish"), False),
        (_device("lost"), _presence("ada", "l1"), False),
        (STOCK, _presence("ada", "l1"), False),
    ],
)
def test_a_device_in_the_hands_of_who_left_is_collected(device, presence, wanted):
    found = settle([device], {presence.person_id: presence}, [])

    assert bool(found.wanted) is wanted


@pytest.mark.parametrize(
    ("device", "leaving", "state"),
    [
        (STOCK, "l1", "done"),
        (_device(holder="ben"), "l1", "done"),
        (_device("lost"), "l1", "cancelled"),
        (_device(), None, "cancelled"),
    ],
)
def test_a_collection_ends_when_the_device_or_the_person_is_back(device, leaving, state):
    found = settle([device], {PersonId("ada"): _presence("ada", leaving)}, [_task()])

    assert [ended.value for _, ended in found.ended] == [state]


def test_the_same_device_given_again_after_the_same_leaving_takes_the_task_up_again():
    found = settle([_device()], {PersonId("ada"): _presence("ada", "l1")}, [_task("done")])

    assert [task.leaving_id for task in found.again] == ["l1"]
    assert not found.wanted


_PEOPLE = st.sampled_from(["ada", "ben", None])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(list(DeviceStatus)), _PEOPLE), max_size=4),
    st.fixed_dictionaries({p: st.sampled_from([None, "l1", "l2"]) for p in ("ada", "ben")}),
    st.lists(
        st.builds(
            _task,
            st.sampled_from(["open", "done", "cancelled"]),
            person=st.sampled_from(["ada", "ben"]),
            leaving=st.sampled_from(["l1", "l2"]),
            device=st.sampled_from(["d0", "d1"]),
        ),
        max_size=4,
        unique_by=lambda task: task.collection_id,
    ),
)
def test_settling_again_gives_nothing(told, leavings, tasks):
    devices = [
        _device(status.value, holder, device_id=f"d{n}") for n, (status, holder) in enumerate(told)
    ]
    presences = {PersonId(p): _presence(p, leaving) for p, leaving in leavings.items()}

    first = settle(devices, presences, tasks)
    after = {task.collection_id: task for task in tasks}
    for task, state in first.ended:
        after[task.collection_id] = replace(task, state=state)
    for task in first.again:
        after[task.collection_id] = replace(task, state=CollectionState.OPEN)
    for device, presence in first.wanted:
        made = _task(
            person=presence.person_id, leaving=presence.leaving_id, device=device.device_id
        )
        after[made.collection_id] = made
    second = settle(devices, presences, list(after.values()))

    assert (second.wanted, second.again, second.ended) == ([], [], [])
