"""What still waits is read from the services' own pages."""

from typing import Any

import pytest

from homeroom.demo.settling import caught_up


def page(**changed: Any) -> dict[str, Any]:
    group = {"ok": True, "topics": {"sis.changes": {"lag": 0, "oldestWaitingSeconds": 0.0}}}
    return {"checks": {"database": {"ok": True}, "group:roster": group, **changed}}


def test_nothing_waits_where_every_lag_is_zero() -> None:
    assert caught_up((True, page(inbox={"ok": True, "waiting": 0, "oldestSeconds": 0})))


@pytest.mark.parametrize(
    "changed",
    [
        {"group:roster": {"topics": {"sis.changes": {"lag": 2, "oldestWaitingSeconds": 1.5}}}},
        {"inbox": {"waiting": 1, "oldestSeconds": 0.1}},
        {"relay": {"lag": 3}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_waits_anywhere_is_seen(changed: dict[str, Any]) -> None:
    assert not caught_up((True, page(**changed)))


def test_a_service_that_is_not_ready_has_not_caught_up() -> None:
    assert not caught_up((False, page()))
