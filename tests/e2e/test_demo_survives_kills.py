"""SIGKILL of any one process at any moment of the demo: it comes back and everything is right."""

import json
from pathlib import Path

import pytest

from homeroom.services import LOG_KEEPER, PROCESSES
from tests.support.killer import FIRST_LOAD, MOMENTS, Plan, run_with_kills

STUDENTS = 60
TAIL = 4_000
pytestmark = [pytest.mark.timeout(600)]


@pytest.mark.parametrize("victim", [process.name for process in PROCESSES])
def test_the_demo_ends_well_although_one_process_is_killed_three_times(
    victim: str, tmp_path: Path
) -> None:
    assert_survives(Plan(victim=victim, seed=22), tmp_path / "demo")


@pytest.mark.usefixtures("kafka")
def test_the_relay_to_kafka_may_be_killed_as_well(tmp_path: Path) -> None:
    """The session's fixture proves that a broker can be had; the demo starts one of its own."""
    assert_survives(Plan(victim=LOG_KEEPER.name, seed=7), tmp_path / "demo", "--kafka")


def assert_survives(plan: Plan, home: Path, *options: str) -> None:
    code, said, kills = run_with_kills(home, plan, "--students", str(STUDENTS), *options)

    assert code == 0, f"{plan}\n{said[-TAIL:]}"
    assert kills == plan.kills
    evidence = json.loads((home / "evidence.json").read_text(encoding="utf-8"))
    assert evidence["restarts"] == {
        process.name: kills * (process.name == plan.victim) for process in PROCESSES
    }
    assert said.count(f"{plan.victim} was ended by SIGKILL: started again") == kills
    users = evidence["found"]["file"]["users"]
    # One joined and one left; the demo compared the ids themselves (homeroom.demo.agreement).
    agreement = evidence["found"]["agreement"]
    assert (agreement["active"], agreement["withdrawn"]) == (users, 1)
    assert agreement["accounts"] == {"enabled": users, "disabled": 1}
    assert (agreement["deviceRequests"], agreement["collections"]) == (1, 1)
    assert agreement["memberships"] > users


def test_a_plan_kills_in_the_first_load_and_later_and_another_seed_at_other_moments() -> None:
    plans = [Plan(victim="sis-ingest", seed=seed) for seed in range(20)]

    assert all(sum(moment in FIRST_LOAD for moment in plan.moments) == 1 for plan in plans)
    assert {moment for plan in plans for moment in plan.moments} == set(MOMENTS)
