"""Importing the contracts is cheap and touches nothing outside."""

import subprocess
import sys

import pytest

from roster_common.contracts import registry
from roster_common.errors import Fatal


def in_a_fresh_process(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return run.stdout.strip()


def test_importing_the_codec_loads_no_driver_framework_or_event_loop() -> None:
    loaded = in_a_fresh_process(
        "import sys, roster_common.contracts.codec\n"
        "outside = {'asyncio', 'asyncpg', 'sqlalchemy', 'aiokafka', 'fastapi', 'httpx', 'httpx2'}\n"
        "print(sorted(outside & set(sys.modules)))"
    )

    assert loaded == "[]"


def test_no_validator_is_built_before_it_is_needed() -> None:
    built = in_a_fresh_process(
        "from roster_common.contracts import registry\n"
        "print(sum(t.__pydantic_complete__ for t in registry.event_types.values()))"
    )

    assert built == "0"


def test_a_service_can_build_its_validators_at_start() -> None:
    registry.prepare(["k12.roster.person.v1", "k12.roster.person.v1"])

    assert registry.event_type("k12.roster.person.v1").__pydantic_complete__


def test_a_type_nobody_registered_cannot_be_prepared() -> None:
    with pytest.raises(Fatal):
        registry.prepare(["k12.roster.pupil.v1"])
