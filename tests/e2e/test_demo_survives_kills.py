"""SIGKILL of any one process at any moment of the demo: it comes back and everything is right."""

import json
from pathlib import Path

import pytest

from homeroom.services import PROCESSES
from tests.support.killer import FIRST_LOAD, MOMENTS, Plan, run_with_kills

STUDENTS = 60
TAIL = 4_000
pytestmark = [pytest.mark.timeout(240)]


@pytest.mark.parametrize("victim", [process.name for process in PROCESSES])
def test_the_demo_ends_well_although_one_process_is_killed_three_times(
    victim: str, tmp_path: Path
) -> None:
    home = tmp_path / "demo"
    plan = Plan(victim=victim, seed=22)

    code, said, kills = run_with_kills(home, plan, "--students", str(STUDENTS))

    assert code == 0, f"{plan}\n{said[-TAIL:]}"
    assert kills == plan.kills
    evidence = json.loads((home / "evidence.json").read_text(encoding="utf-8"))
    assert evidence["restarts"] == {
        process.name: kills * (process.name == victim) for process in PROCESSES
    }
    assert said.count(f"{victim} was ended by SIGKILL: started again") == kills
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
