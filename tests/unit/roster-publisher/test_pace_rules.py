"""Who counts as one sender of wrong secrets."""

import pytest

from roster_common.testkit.clock import FixedClock
from roster_publisher.domain.pacing import Pace
from roster_publisher.usecases.pace_callers import PaceCallers, PaceTokens

BURST = 3


def tokens() -> PaceTokens:
    """One process; its clock stands still."""
    clock = FixedClock()
    plenty = PaceCallers(Pace(rate=100, burst=100), clock)
    return PaceTokens(plenty, PaceCallers(Pace(rate=0.1, burst=BURST), clock))


@pytest.mark.parametrize(
    "senders",
    [
        "2001:db8:0:7::1 2001:db8:0:7:ffff:: 2001:0DB8:0:7::3",
        "203.0.113.1 ::ffff:203.0.113.1 203.0.113.1",
        "unknown unknown unknown",
    ],
)
def test_a_network_that_is_one_subscribers_is_one_sender(senders: str) -> None:
    pace = tokens()
    for sender in senders.split():
        assert pace.refuses("app", sender) is None
        pace.count_wrong("app", sender)
    assert all(pace.refuses("app", sender) for sender in senders.split())


@pytest.mark.parametrize("other", ["2001:db8:0:8::1", "203.0.113.2", "", "::1"])
def test_others_are_other_senders(other: str) -> None:
    pace = tokens()
    for sender in ("2001:db8:0:7::1", "203.0.113.1"):
        for _ in range(BURST):
            pace.count_wrong("app", sender)
    assert pace.refuses("app", other) is None
    assert pace.refuses("app", "2001:db8:0:7::9")
    assert pace.refuses("else", "2001:db8:0:7::9") is None
