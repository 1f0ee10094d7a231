"""When a fault strikes: kind, path, how many to let through, how often, drawn under the seed."""

from random import Random
from typing import Any

import pytest

from sis_emulators.faults import BadFault, Faults


def faults(*told: dict[str, Any], seed: int = 1) -> Faults:
    made = Faults(Random(seed))
    made.replace(told)
    return made


def strikes(made: Faults, times: int, *, kind: str = "slow", path: str = "/users") -> list[bool]:
    return [made.strike(kind, path) is not None for _ in range(times)]


def test_it_lets_some_through_then_strikes_as_often_as_told() -> None:
    made = faults({"kind": "slow", "after": 2, "times": 2})

    assert strikes(made, 6) == [False, False, True, True, False, False]
    assert made.struck == {"slow": 2}


def test_it_strikes_its_own_kind_and_path_only() -> None:
    made = faults({"kind": "slow", "path": "/users"})

    assert strikes(made, 1, kind="malformed") == [False]
    assert strikes(made, 1, path="/orgs") == [False]
    assert strikes(made, 1) == [True]


def test_a_probability_is_drawn_under_the_seed() -> None:
    told = {"kind": "slow", "times": None, "probability": 0.3}
    one, again, other = (strikes(faults(told, seed=seed), 400) for seed in (1, 1, 2))

    assert one == again != other
    assert 80 < sum(one) < 160


def test_what_is_not_said_comes_from_the_kind() -> None:
    struck = faults({"kind": "server_error"}).strike("server_error", "/users")

    assert struck is not None
    assert struck.amount == 500


@pytest.mark.parametrize(
    "told",
    [{"kind": "earthquake"}, {}, {"kind": "slow", "probability": 2}, {"kind": "slow", "x": 1}],
)
def test_what_cannot_be_is_refused_and_the_rest_stays(told: dict[str, Any]) -> None:
    made = faults({"kind": "slow"})

    with pytest.raises(BadFault):
        made.replace([{"kind": "lose"}, told])
    assert [one["kind"] for one in made.waiting()] == ["slow"]
