"""Pytest plugin for `run.py`: writes how each test ended, and from where our packages came.

One JSON line each into the file that GUARDS_VERDICTS names, so that nothing is read from texts.
"""

import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

PACKAGES = (
    "roster_common",
    "sis_ingest",
    "roster_publisher",
    "directory_sync",
    "ticket_events",
    "homeroom",
)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say where the packages were imported from."""
    for name in PACKAGES:
        module = importlib.import_module(name)
        _write(
            {"package": name, "file": str(module.__file__), "root": str(session.config.rootpath)}
        )


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say how a test ended; an error around it is no failure of it."""
    if report.when == "call" or not report.passed:
        failed_around = report.when != "call" and report.failed
        outcome = "error" if failed_around else report.outcome
        _write({"test": report.nodeid, "outcome": outcome, "why": _why(report)})


def _why(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return "" if crash is None else str(crash.message).partition("\n")[0]


def _write(line: Mapping[str, str]) -> None:
    with Path(os.environ["GUARDS_VERDICTS"]).open("a") as file:
        file.write(json.dumps(line) + "\n")
